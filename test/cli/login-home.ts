// What the tests of `login` and `logout` share: a place that nobody is logged in at.
import { readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

export interface Home extends Place {
  /** One command, in a process of its own as far as what is remembered goes. */
  readonly tell: (args: readonly string[], options?: WorldOptions) => Promise<Told>
}

/** A sandbox, an empty store, and a registration that names the firm's own site. */
export async function home(
  options: PlaceOptions = {},
  redirectUri = 'https://firm.example/cb',
): Promise<Home> {
  const made = await place(options)
  const text = readFileSync(made.config, 'utf8').replace(/\[seed\]\nfile = .*/, '')
  writeFileSync(made.config, text.replace(/redirect_uri = .*/, `redirect_uri = ${redirectUri}`))
  const tell = (args: readonly string[], more: WorldOptions = {}): Promise<Told> =>
    told(args, { ...more, env: { HQ_TOKEN_CONFIG: made.config, ...more.env } })
  return { ...made, tell }
}

export async function asked({ tell }: Home): Promise<string> {
  const { code, stdout, stderr } = await tell(['login', '--no-browser'])
  expect(code).toBe(0)
  expect(stderr).toContain('hq-token: hint: hq-token login --complete -')
  expect(stdout).toMatch(/^http\S+\n$/)
  return stdout.trim()
}
