// What the tests of `check` share: a run of it, and the line that every run must print.
import { expect } from 'vitest'
import type { Place } from '../support/place.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

/** One line, by which a monitoring system lives. */
const LINE = /^HQ_TOKEN (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]*(?:\|[\w=;:@~.\- ]+)?\n$/

export async function checked(
  made: Pick<Place, 'config'>,
  args: readonly string[] = [],
  options: WorldOptions = {},
): Promise<Told> {
  const said = await told(['check', ...args], {
    ...options,
    env: { HQ_TOKEN_CONFIG: made.config, ...options.env },
  })
  assertLine(said)
  return said
}

export function assertLine({ code, stdout, stderr }: Told): void {
  expect(stderr).toBe('')
  expect(stdout).toMatch(LINE)
  const [words = ''] = stdout.split('|')

  expect(stdout).toMatch(/^[\x20-\x7e]*\n$/)
  expect(words).not.toMatch(/[`~$&"'<>]/)
  expect(Buffer.byteLength(stdout)).toBeLessThan(1024)
  const [, state = ''] = LINE.exec(stdout) ?? []
  expect(code).toBe(['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'].indexOf(state))
}
