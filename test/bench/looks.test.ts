// Holds the count of looks against a storm in which one holds it, and others wait.
import { describe, expect, it } from 'vitest'
import { busiest, looksOf, Stopwatch } from '../../bench/processes.js'
import { requirePrograms } from '../support/debian.js'
import { place } from '../support/place.js'

describe('the looks that `npm run bench` counts', () => {
  it('the looks that `npm run bench` counts are those of the processes that wait, while another one holds it', async () => {
    requirePrograms('python3')
    const { config, run, store } = await place({}, 3600)
    const overAnHourAgo = new Date(Date.now() - 4_000_000).toISOString()
    expect(await run(['seed', '--issued-at', overAnHourAgo])).toMatchObject({ code: 0 })
    const stopwatch = new Stopwatch()
    const get = {
      argv: [process.execPath, 'dist/bin.cjs', 'get'],
      env: { HQ_TOKEN_CONFIG: config },
      prints: /^\S{40,}\n$/,
    }
    const storms: ReturnType<typeof looksOf>[] = []
    await store.exclusive(
      async () => {
        storms.push(looksOf(stopwatch, { ...get, atOnce: 3 }))
        await new Promise((resolve) => setTimeout(resolve, 3000))
      },
      { waitMs: 0 },
    )
    const looks = (await Promise.all(storms)).flatMap((storm) => storm.looks)
    // A pause is a tenth of a second at most on average.
    expect(looks.length).toBeGreaterThan(9)
    expect(Number(looks.at(-1)) - Number(looks[0])).toBeGreaterThan(0.5)
    expect(await looksOf(stopwatch, get)).toMatchObject({ looks: [] })
    stopwatch.close()
  })

  it('the busiest 10 ms are those with most looks, wherever they begin', () => {
    expect(busiest([], 0.01)).toBe(0)
    expect(busiest([1, 2, 2.008, 2.009, 2.0115, 2.5, 2.505], 0.01)).toBe(3)
  })
})
