// Holds the count of looks at the lock against a storm in which one holds it, and others wait.
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { busiest, looksAt } from '../../bench/processes.js'
import { requirePrograms } from '../support/debian.js'
import { place } from '../support/place.js'

describe('the looks at the lock that `npm run bench` counts', () => {
  it('the looks at the lock are those of the processes that wait, while another one holds it', async () => {
    requirePrograms('python3', 'strace')
    const { config, store, dir } = await place()
    const lock = join(realpathSync(dir), 'token.lock')
    const get = {
      argv: [process.execPath, 'dist/bin.cjs', 'get'],
      env: { HQ_TOKEN_CONFIG: config },
      prints: /^\S{40,}\n$/,
    }
    const looks = await looksAt(lock, async (stopwatch) => {
      let waited: Promise<unknown> | undefined
      await store.exclusive(
        async () => {
          waited = stopwatch.run({ ...get, atOnce: 3 })
          await new Promise((resolve) => setTimeout(resolve, 3000))
        },
        { waitMs: 0 },
      )
      await waited
    })
    // Each waits a quarter of a second at most on average.
    expect(looks.length).toBeGreaterThan(9)
    expect(Number(looks.at(-1)) - Number(looks[0])).toBeGreaterThan(0.5)
    const none = await looksAt(lock, async (stopwatch) => {
      await stopwatch.run(get)
    })
    expect(none).toEqual([])
  })

  it('the busiest 10 ms are those with most looks, wherever they begin', () => {
    expect(busiest([], 0.01)).toBe(0)
    expect(busiest([1, 2, 2.008, 2.009, 2.0115, 2.5, 2.505], 0.01)).toBe(3)
  })
})
