// What `check` prints and reads, beside Monitoring::Plugin, the library that plugins and readers in Perl use.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { alerts, range, rangeText } from '../../src/core/range.js'
import { requirePrograms } from '../support/debian.js'
import { drawsFrom } from '../support/draws.js'
import { place } from '../support/place.js'
import { ended } from '../support/processes.js'
import { told } from '../support/world.js'

const SCRIPT = fileURLToPath(new URL('../support/monitoring-plugin.pl', import.meta.url))

interface Asked {
  readonly data: readonly string[]
  readonly ranges: readonly (readonly [text: string, value: number])[]
}

interface Read {
  readonly data: readonly (readonly Readonly<Record<string, string | number | null>>[])[]
  readonly alerts: readonly (boolean | null)[]
}

async function byLibrary(asked: Partial<Asked>): Promise<Read> {
  const perl = spawn('/usr/bin/perl', [SCRIPT], { stdio: 'pipe' })
  perl.stdin.end(JSON.stringify({ data: [], ranges: [], ...asked }))
  const { code, stdout, stderr } = await ended(perl)
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Read
}

beforeAll(() => {
  requirePrograms(['/usr/share/perl5/Monitoring/Plugin.pm', 'libmonitoring-plugin-perl'])
})

describe('the performance data of check', () => {
  it('Monitoring::Plugin finds every label of the performance data, and the ranges', async () => {
    const { config } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['get'], { env })
    const lines = [
      (await told(['check'], { env })).stdout,
      (await told(['check', '-w', '30d:60d', '-c', '~:400d'], { env })).stdout,
      // The library knows no `@` here, and must find the rest.
      (await told(['check', '-w', '@30d:60d', '-c', '7d:'], { env })).stdout,
    ]
    const { data } = await byLibrary({ data: lines.map((line) => line.trimEnd().split('|')[1] ?? '') })
    const number = expect.any(Number) as number
    const none = { warning: null, critical: null, min: null, max: null }
    const named = (warning: string | null, critical: string | null): unknown => [
      { ...none, label: 'access', value: number, unit: 's' },
      { ...none, label: 'refresh', value: number, unit: 's', warning, critical },
      { ...none, label: 'renewed', value: number, unit: 's', min: '0' },
      { ...none, label: 'failures', value: 0, unit: '', min: '0' },
    ]
    expect(data).toEqual([
      named('1209600:', '259200:'),
      named('2592000:5184000', '~:34560000'),
      named(null, null),
    ])
  })
})

describe('the ranges of check', () => {
  it('a range alerts for the same values as Monitoring::Plugin, and what is none is none to both', async () => {
    const draw = drawsFrom(17)
    const whole = (most: number): number => Math.floor(draw() * most)
    const number = (): string => {
      const size = `${whole(30)}${draw() < 0.3 ? `.${whole(10)}` : ''}`
      return draw() < 0.3 ? `-${size}` : size
    }
    const text = (): string => {
      const start = draw() < 0.2 ? '~' : draw() < 0.3 ? '' : number()
      const end = draw() < 0.3 ? '' : number()
      const drawn = draw() < 0.2 ? end : `${start}:${end}`
      return `${draw() < 0.3 ? '@' : ''}${drawn}${draw() < 0.05 ? 'x' : ''}`
    }
    const ranges = Array.from({ length: 1000 }, () => {
      const drawn = text()
      // At an end of the range as often as elsewhere.
      const ends = drawn.match(/-?\d+(?:\.\d+)?/g) ?? []
      const end = ends[whole(ends.length)]
      return [drawn, draw() < 0.5 && end !== undefined ? Number(end) : whole(80) - 40] as const
    })
    const ours = ranges.map(([drawn, value]) => {
      const read = range(drawn)
      return read === undefined ? null : alerts(read, value)
    })
    const theirs = await byLibrary({ ranges })
    expect(ranges.map((one, at) => [...one, ours[at]])).toEqual(
      ranges.map((one, at) => [...one, theirs.alerts[at]]),
    )
    // All answers are drawn often enough to tell.
    for (const answer of [true, false, null])
      expect(ours.filter((one) => one === answer).length).toBeGreaterThan(50)
    // What the performance data say of a range means the same to the library.
    const printed = ranges.map(([drawn, value]) => {
      const read = range(drawn)
      return [read === undefined ? drawn : rangeText(read), value] as const
    })
    expect((await byLibrary({ ranges: printed })).alerts).toEqual(theirs.alerts)
  })
})
