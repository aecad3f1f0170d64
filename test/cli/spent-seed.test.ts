import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { told, type Told } from '../support/world.js'

/** One configuration with a seed, and stores in folders of their own: machines, or one before and after its mount. */
interface Hosts extends Place {
  /** Runs a command where the store is in this folder. */
  readonly at: (state: string, ...args: string[]) => Promise<Told>
}

async function hosts(seedTtl = 0): Promise<Hosts> {
  const here = await place({}, seedTtl)
  const env = { HQ_TOKEN_CONFIG: here.config }
  return {
    ...here,
    at: (state, ...args) => told(args, { env: { ...env, HQ_TOKEN_STORE: join(state, 'token.db') } }),
  }
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/
const removable = (seed: string, state: string): string =>
  `hq-token: the seed file ${seed} can be removed now: its refresh token is spent, and ${join(state, 'token.db')} holds the newer one\n`

describe('the first get', () => {
  it('the first get spends the seed, marks it, and says that once, beside the token', async () => {
    const { at, seed, sandbox } = await hosts()
    const state = folder()
    const first = await at(state, 'get')
    expect(first).toMatchObject({ code: 0, stderr: removable(seed, state) })
    expect(first.stdout).toMatch(/^\S+\n$/)
    expect(readFileSync(`${seed}.spent`, 'utf8')).toMatch(/^fingerprint = [0-9a-f]{12}$/m)
    const tokens = readFileSync(seed, 'utf8').matchAll(/^(?:access|refresh)_token *= (.*)$/gm)
    for (const [, token = ''] of tokens) expect(readFileSync(`${seed}.spent`, 'utf8')).not.toContain(token)
    expect(await at(state, 'refresh')).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(sandbox.refreshes()).toBe(2)
  })

  it('the first get with a token that is still good marks nothing: the seed is alive', async () => {
    const { at, seed } = await hosts(3600)
    const state = folder()
    expect(await at(state, 'get')).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(`${seed}.spent`)).toBe(false)
    expect(await at(folder(), 'get'), 'and another store may begin with it').toMatchObject({ code: 0 })
  })

  it.each([['seed --refresh'], ['refresh'], ['exec -- true']])(
    'the first get may as well be `%s`',
    async (command) => {
      const args = command.split(' ')
      const { at, seed } = await hosts()
      const state = folder()
      const { code, stdout, stderr } = await at(state, ...args)
      expect([code, stdout]).toEqual([0, ''])
      expect(stderr).toContain(removable(seed, state))
      expect(existsSync(`${seed}.spent`)).toBe(true)
    },
  )

  it('the first get marks a seed for whoever reaches it by a link elsewhere too', async () => {
    const { at, seed } = await hosts()
    await at(folder(), 'get')
    const link = join(folder(), 'link.ini')
    symlinkSync(seed, link)
    const env = { HQ_TOKEN_INSTANCE: 'http://127.0.0.1:1/', HQ_TOKEN_CLIENT_ID: '1012' }
    const store = { HQ_TOKEN_SEED_FILE: link, HQ_TOKEN_STORE: join(folder(), 'token.db') }
    const got = await told(['get'], { env: { ...env, ...store, HQ_TOKEN_CLIENT_SECRET: 'x' } })
    expect(got).toMatchObject({ code: 4, stdout: '' })
    expect(got.stderr).toMatch(/was spent on .*is the store’s volume mounted/)
  })

  it('`seed -` marks the configured file of the same token', async () => {
    const { config, seed } = await hosts()
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: join(folder(), 'token.db') }
    await told(['seed', '-', '--refresh'], { env, input: readFileSync(seed) })
    expect(existsSync(`${seed}.spent`)).toBe(true)
  })
})

describe('on an empty store, as before its volume is mounted, a seed that is spent', () => {
  async function spent(): Promise<Hosts & { state: string; elsewhere: string }> {
    const here = await hosts()
    const state = folder()
    expect((await here.at(state, 'get')).code).toBe(0)
    return { ...here, state, elsewhere: folder() }
  }

  it.each([
    ...['get', 'seed', 'refresh', 'exec -- true', 'api 1/sites', 'seed --refresh'],
    'credential --protocol kubernetes',
  ])(
    'on an empty store, as before its volume is mounted, a seed that is spent is not sent by `%s`: 4, with the ways on; and the grant is alive where it is',
    async (command) => {
      const args = command.split(' ')
      const { at, state, elsewhere, seed, sandbox } = await spent()
      const { code, stdout, stderr } = await at(elsewhere, ...args)
      expect([code, stdout]).toEqual([4, ''])
      expect(stderr).toMatch(
        new RegExp(
          `^hq-token: error: ${seed} was spent on ${TIME.source}, and there is no token set in ${elsewhere}/token\\.db: is the store’s volume mounted\\?\n` +
            `hq-token: hint: mount it, then run the same command again; if the store is lost: hq-token login; or put a new token into a seed file, then: hq-token seed FILE \\(to import the spent file anyway, which may end the grant if another store holds it: hq-token seed --force ${seed}\\)\n$`,
        ),
      )
      expect(readdirSync(elsewhere)).toEqual([])
      expect(sandbox.refreshes()).toBe(1)
      expect((await at(state, 'refresh')).code).toBe(0)
      expect(sandbox.revokedFamilies()).toBe(0)
    },
  )

  it('on an empty store, as before its volume is mounted, a seed that is spent is told of by status and by doctor in the same words, and nothing is made', async () => {
    const { at, elsewhere, seed } = await spent()
    const status = await at(elsewhere, 'status')
    expect(status).toMatchObject({ code: 0, stderr: '' })
    expect(status.stdout).toMatch(/^state +empty: no token set yet$/m)
    expect(status.stdout).toMatch(
      new RegExp(`^seed +${seed} was spent on .*: is the store’s volume mounted\\?$`, 'm'),
    )
    expect((await at(elsewhere, 'status', '--json')).code).toBe(0)
    const doctor = await at(elsewhere, 'doctor')
    expect(doctor.code).toBe(4)
    expect(doctor.stdout).toMatch(
      new RegExp(`^fail +seed +${seed} was spent on .*: is the store’s volume mounted\\?$`, 'm'),
    )
    expect(doctor.stdout).toMatch(/^ +→ mount it, then run the same command again; .*hq-token seed --force /m)
    expect(readdirSync(elsewhere)).toEqual([])
  })

  it('on an empty store, as before its volume is mounted, a seed that is spent is imported with --force, which says what it risks', async () => {
    const { at, elsewhere, seed } = await spent()
    const { code, stderr } = await at(elsewhere, 'seed', '--force', seed)
    expect(code).toBe(0)
    expect(stderr).toMatch(
      new RegExp(
        `^hq-token: warning: ${seed} was spent on ${TIME.source}: if another store holds its grant, the server may end the grant at the next refresh$`,
        'm',
      ),
    )
    expect(stderr).toContain(`hq-token: imported ${seed}; `)
  })

  it('on an empty store, as before its volume is mounted, a seed that is spent gives way to a new token in the same file, whose own mark takes its place', async () => {
    const { at, elsewhere, seed, sandbox } = await spent()
    const before = readFileSync(`${seed}.spent`, 'utf8')
    const { refreshToken } = sandbox.issue()
    writeFileSync(
      seed,
      readFileSync(seed, 'utf8').replace(/^refresh_token.*$/m, `refresh_token = ${refreshToken}`),
    )
    expect((await at(elsewhere, 'get')).code).toBe(0)
    expect(readFileSync(`${seed}.spent`, 'utf8')).not.toBe(before)
    expect((await at(folder(), 'get')).code).toBe(4)
  })

  it('on an empty store, as before its volume is mounted, a seed that is spent is known under another name too, where the configuration names it', async () => {
    const { at, elsewhere, seed } = await spent()
    const copy = join(folder(), 'copy.ini')
    writeFileSync(copy, readFileSync(seed))
    expect((await at(elsewhere, 'seed', copy)).code).toBe(4)
  })

  it('on an empty store, as before its volume is mounted, a seed that is spent does not keep a login from its end', async () => {
    const { at, elsewhere } = await spent()
    expect(await at(elsewhere, 'login', '--no-browser')).toMatchObject({ code: 0 })
    expect((await at(elsewhere, 'get')).code).toBe(4)
  })
})

describe('two hosts with one seed', () => {
  it('the second, which has imported it before: 4, and the message names the cause', async () => {
    const { at, seed, sandbox } = await hosts()
    const [one, two] = [folder(), folder()]
    await at(two, 'seed')
    await at(one, 'get')
    const { code, stdout, stderr } = await at(two, 'get')
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toMatch(`${seed} was spent on `)
    expect(stderr).toMatch(
      ' by another store, which holds this grant now: each store needs a grant of its own',
    )
    const { stdout: status } = await at(two, 'status')
    expect(status).toMatch(/last failure .* by another store/)
    expect(sandbox.refreshes()).toBe(1)
  })
})

describe('a store that holds another token set', () => {
  it('a store that holds another token set disregards a spent seed, and does not offer it', async () => {
    const { at, seed, sandbox } = await hosts()
    const [one, two] = [folder(), folder()]
    await at(one, 'get')
    const other = join(folder(), 'other.ini')
    const { refreshToken } = sandbox.issue()
    writeFileSync(
      other,
      readFileSync(seed, 'utf8').replace(/^refresh_token.*$/m, `refresh_token = ${refreshToken}`),
      {
        mode: 0o600,
      },
    )
    expect((await at(two, 'seed', other)).code).toBe(0)
    const kept = await at(two, 'seed')
    expect(kept.code).toBe(0)
    expect(kept.stderr).toMatch(
      new RegExp(
        `^hq-token: warning: ${seed} was disregarded: it was spent on ${TIME.source}; the store holds another token set$`,
        'm',
      ),
    )
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    expect((await at(two, 'refresh')).code).toBe(4)
    expect((await at(two, 'get')).code, 'nor is the refused set healed by it').toBe(4)
    const refused = await at(two, 'seed')
    expect(refused.stderr).toMatch(
      /the store holds another token set, which the server has refused\n.*hint: hq-token login/,
    )
    const set = await new SqliteStore(join(two, 'token.db')).read()
    expect(set?.generation).toBe(1)
  })
})

describe('doctor, with a seed that the store has spent', () => {
  it('doctor, with a seed that the store has spent says whether it is marked, and nothing once it is removed', async () => {
    const { at, seed } = await hosts()
    const state = folder()
    await at(state, 'get')
    const line = async () => /^.*\bseed .*$/m.exec((await at(state, 'doctor')).stdout)?.[0]
    expect(await line()).toMatch(/^ok +seed +.* and is marked as spent: it can be removed$/)
    rmSync(`${seed}.spent`)
    expect(await line()).toMatch(
      /^warn +seed +.* and is not marked as spent \(the next refresh tries to mark it\)/,
    )
    rmSync(seed)
    expect(await line()).toBeUndefined()
  })
})
