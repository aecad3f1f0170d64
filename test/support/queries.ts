import pg from 'pg'
import { onTestFinished } from 'vitest'
import type { Queries } from '../../src/store/postgres/queries.js'

/** A connection of its own, without any rule of ours about errors. Ends with the test. */
export async function connected(url: string): Promise<Queries> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end().catch(() => undefined))
  return {
    query: async (text, values) => {
      const { rows, rowCount } = await client.query<Record<string, unknown>>(text, values?.slice())
      return { rows, rowCount: rowCount ?? 0 }
    },
  }
}
