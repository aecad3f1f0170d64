// The output of a command takes the place of none of the files that hq-token lives by.
import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { place, type Place } from '../support/place.js'

/** Everything is there: a store that has refreshed, its configuration and the seed that this names. */
async function settled(lifetime: number): Promise<Place> {
  const there = await place({ accessTtl: lifetime }, 0)
  expect(await there.run(['seed', there.seed])).toMatchObject({ code: 0 })
  expect(await there.run(['refresh'])).toMatchObject({ code: 0 })
  const secret = join(there.dir, 'secret.txt')
  const text = readFileSync(there.config, 'utf8')
  writeFileSync(secret, /^client_secret = (.*)$/m.exec(text)?.[1] ?? '', { mode: 0o600 })
  writeFileSync(there.config, text.replace(/^client_secret = .*$/m, `client_secret_file = ${secret}`))
  return there
}

const WAYS: Readonly<
  Record<string, { args: (file: string) => string[]; env?: (file: string) => object; code: number }>
> = {
  'get --outfile': { args: (file) => ['get', '--outfile', file], code: 2 },
  'get --outfile of a token that is to be renewed': {
    args: (file) => ['get', '--min-valid', '30d', '--outfile', file],
    code: 2,
  },
  'api --output': { args: (file) => ['api', '1/sites', '-o', file], code: 2 },
  'check --prometheus': { args: (file) => ['check', '--prometheus', file], code: 3 },
  'the output file of Google’s libraries': {
    args: () => ['credential', '--protocol', 'google'],
    env: (file) => ({ GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE: file }),
    code: 2,
  },
}

describe.each(Object.entries(WAYS))('%s', { timeout: 60_000 }, (way, { args, env, code }) => {
  it(`${way} replaces none of the files that hq-token lives by, whatever it is called, and asks no server`, async () => {
    const there = await settled(3600)
    const { dir, config, seed, sandbox } = there
    const [store, secret] = [join(dir, 'token.db'), join(dir, 'secret.txt')]
    mkdirSync(join(dir, 'links'))
    const [link, second] = [join(dir, 'links/soft'), join(dir, 'links/hard')]
    symlinkSync(store, link)
    linkSync(config, second)
    symlinkSync(dir, join(dir, 'links/folder'))
    const names = [
      store,
      link,
      second,
      config,
      seed,
      secret,
      join(dir, 'TOKEN.db'),
      join(dir, 'links/folder/token.db'),
    ]
    const beside = ['token.lock', 'token.rescue', 'token.db-journal'].map((name) => join(dir, name))
    const before = [store, config, seed, secret, ...beside].map(stateOf)
    const refreshes = sandbox.refreshes()
    for (const file of [...names, ...beside]) {
      const said = await there.run(args(file), { env: env?.(file) as NodeJS.ProcessEnv })
      expect(said.code, `${file}: ${said.stderr}`).toBe(code)
      expect(`${said.stderr}${said.stdout}`).toContain(`${file} is `)
      expect(`${said.stderr}${said.stdout}`).toContain('nothing is written over it')
    }
    expect([store, config, seed, secret, ...beside].map(stateOf)).toEqual(before)
    expect(sandbox.refreshes()).toBe(refreshes)
    const beyond = join(dir, 'token.txt')
    expect((await there.run(args(beyond), { env: env?.(beyond) as NodeJS.ProcessEnv })).code).toBe(0)
    expect(readFileSync(beyond, 'utf8')).not.toBe('')
  })
})

it(
  'no output takes the place of another profile’s store, or of a configuration that cannot be read',
  { timeout: 60_000 },
  async () => {
    const [there, other] = [await settled(3600), await settled(3600)]
    const store = join(other.dir, 'token.db')
    const before = stateOf(store)
    for (const [way, { args, env, code }] of Object.entries(WAYS)) {
      const said = await there.run(args(store), { env: env?.(store) as NodeJS.ProcessEnv })
      expect([way, said.code], said.stderr).toEqual([way, code])
      expect(`${said.stderr}${said.stdout}`).toContain(`${store} is the store of another profile`)
    }
    writeFileSync(there.config, 'no configuration')
    for (const file of [there.config, store])
      expect(await there.run(['check', '--prometheus', file])).toMatchObject({ code: 3 })
    expect([readFileSync(there.config, 'utf8'), stateOf(store)]).toEqual(['no configuration', before])
  },
)

function stateOf(file: string): unknown {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats === undefined ? undefined : [stats.ino, readFileSync(file, 'latin1')]
}
