// The textfile of `check --prometheus` while it is written, beside a reader that never waits.
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { told } from '../support/world.js'

const TIMES = 1000

it('a reader in a loop never sees half a textfile, or another one beside it, while it is written a thousand times', async () => {
  const file = join(folder(), 'hq-token.prom')
  const there = await place({}, 3600)
  const missing = { env: { HQ_TOKEN_CONFIG: join(folder(), 'missing.ini') } }
  const full = { env: { HQ_TOKEN_CONFIG: there.config } }
  await told(['get'], full)
  const write = async (at: number): Promise<number> =>
    (await told(['check', '--prometheus', file], at % 2 === 0 ? full : missing)).code
  expect(await write(0)).toBe(0)
  const reader = new Worker(new URL('../support/textfile-reader.js', import.meta.url), {
    workerData: { file },
  })
  // A short file follows a long one, and the other way round.
  for (let at = 1; at < TIMES; at++) expect(await write(at)).toBe(at % 2 === 0 ? 0 : 3)
  reader.postMessage('stop')
  const [seen] = (await once(reader, 'message')) as {
    reads: number
    changes: number
    broken: string[]
    others: string[]
  }[]
  await reader.terminate()
  expect(seen).toMatchObject({ broken: [], others: [] })
  // It looked often enough to have met a write.
  expect(seen?.changes).toBeGreaterThan(TIMES / 10)
  expect(readdirSync(join(file, '..'))).toEqual(['hq-token.prom'])
  expect(statSync(file).mode & 0o777).toBe(0o644)
})
