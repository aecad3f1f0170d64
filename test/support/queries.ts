import pg from 'pg'
import { onTestFinished } from 'vitest'
import type { Queries } from '../../src/store/postgres/queries.js'

export interface Connected extends Queries {
  readonly close: () => Promise<void>
}

/** A connection of its own, which passes the server's errors on as they are. Ends with the test. */
export async function connected(url: string): Promise<Connected> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  const close = (): Promise<void> => client.end().catch(() => undefined)
  onTestFinished(close)
  return {
    query: async (text, values) => {
      const { rows, rowCount } = await client.query<Record<string, unknown>>(text, values?.slice())
      return { rows, rowCount: rowCount ?? 0 }
    },
    close,
  }
}
