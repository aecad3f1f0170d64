import {
  chmodSync,
  chownSync,
  copyFileSync,
  lchownSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authority, type Authority } from '../support/authority.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { withoutNews, type Ended } from '../support/processes.js'
import {
  asUser,
  canBeOthers,
  give,
  program,
  shared,
  STRANGER,
  VICTIM,
  type AsOptions,
} from '../support/users.js'

// Files that decide whom the program trusts and what it shows of itself, as another user could have chosen them.

let firm: Authority
let client: { readonly cert: string; readonly key: string }

beforeAll(() => {
  if (!canBeOthers) return
  firm = authority()
  client = firm.issue('client.example')
})

interface Home extends Place {
  /** The path of each file, by its kind. */
  readonly files: Readonly<Record<Kind, string>>
  readonly hq: (args: readonly string[], options?: AsOptions) => Promise<Ended>
}

type Kind = 'ca_file' | 'client_cert_file' | 'client_key_file' | 'client_secret_file' | 'seed' | 'config'
const KINDS: readonly Kind[] = [
  'ca_file',
  'client_cert_file',
  'client_key_file',
  'client_secret_file',
  'seed',
  'config',
]
/** Who reads it learns a secret. */
const SECRET: readonly Kind[] = ['client_key_file', 'client_secret_file', 'seed', 'config']

/** A place of a user's whose configuration names every such file. */
async function home(owner = VICTIM): Promise<Home> {
  const made = await place()
  const { dir, config, sandbox } = made
  const at = (name: string): string => join(dir, name)
  copyFileSync(firm.cert, at('ca.pem'))
  copyFileSync(client.cert, at('client.pem'))
  copyFileSync(client.key, at('client.key'))
  writeFileSync(at('secret'), `${sandbox.clientSecret}\n`)
  const text = readFileSync(config, 'utf8').replace(/client_secret = .*/, 'client_secret_file = secret')
  writeFileSync(
    config,
    `${text}\n[network]\nca_file = ca.pem\nclient_cert_file = client.pem\nclient_key_file = client.key\n`,
  )
  const files = {
    ca_file: at('ca.pem'),
    client_cert_file: at('client.pem'),
    client_key_file: at('client.key'),
    client_secret_file: at('secret'),
    seed: made.seed,
    config,
  }
  for (const path of Object.values(files)) chmodSync(path, 0o600)
  give(owner, dir)
  return {
    ...made,
    files,
    hq: (args, options = {}) =>
      asUser(owner, program(args), { ...options, env: { HQ_TOKEN_CONFIG: config, ...options.env } }),
  }
}

let there: Home

describe.skipIf(!canBeOthers)('a file that decides who is trusted', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    there = await home()
  })

  /** `get`, which must seed and refresh, and `doctor`, see the same. */
  async function refused(kind: Kind, why: RegExp, hint: RegExp): Promise<void> {
    const { hq, files, sandbox } = there
    const exit = kind === 'seed' ? 65 : 78
    const { code, stdout, stderr } = await hq(['get'])
    expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: '' })
    expect(stderr).toContain(files[kind])
    expect(stderr).toMatch(why)
    expect(stderr).toMatch(hint)
    expect(sandbox.log).toEqual([])
    const doctor = await hq(['doctor', '--json'])
    expect(doctor.code).toBe(exit)
    const { checks } = JSON.parse(doctor.stdout) as {
      checks: { status: string; message: string; hint: string }[]
    }
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([
      expect.objectContaining({ message: expect.stringMatching(why) as string, exit }),
    ])
    // Whoever cannot be told from others is asked nothing; the other files do not matter to that.
    if (['ca_file', 'client_cert_file', 'client_key_file', 'config'].includes(kind))
      expect(sandbox.log).toEqual([])
  }

  it.each(KINDS)('a private %s is taken as ever', async (kind) => {
    const { hq, files } = there
    chmodSync(files[kind], 0o400)
    expect(withoutNews(await hq(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect((await hq(['doctor'])).code).toBe(0)
  })

  it.each(KINDS)('a file of root’s is fine, be it a %s', async (kind) => {
    const { hq, files } = there
    chownSync(files[kind], 0, VICTIM)
    chmodSync(files[kind], 0o640)
    expect(withoutNews(await hq(['get']))).toMatchObject({ code: 0, stderr: '' })
  })

  it.each(KINDS)('a file of trust that everybody can write to is refused: a %s', async (kind) => {
    chmodSync(there.files[kind], 0o666)
    await refused(kind, /can be changed by others/, /hint: chmod (?:600|go-w) \/\S+$/m)
  })

  it.each(KINDS.filter((kind) => kind !== 'seed'))(
    'a file of trust that a group can write to is refused: a %s',
    async (kind) => {
      chmodSync(there.files[kind], 0o660)
      await refused(kind, /can be changed by others/, /hint: chmod (?:600|go-w) \/\S+$/m)
    },
  )

  it.each(KINDS)('a file of trust of another user is refused: a %s', async (kind) => {
    chownSync(there.files[kind], STRANGER, STRANGER)
    chmodSync(there.files[kind], 0o644)
    await refused(kind, /belongs to another user \(uid 23456\)/, /as root: chown 12345 \/\S+$/m)
  })

  it.each(KINDS)('reached by a link of another user is refused: a %s', async (kind) => {
    const { files, hq } = there
    const place = files[kind]
    const real = `${place}.real`
    copyFileSync(place, real)
    chownSync(real, VICTIM, VICTIM)
    chmodSync(real, 0o600)
    const dir = shared()
    const link = join(dir, 'link')
    symlinkSync(real, link)
    const name = kind === 'seed' ? 'HQ_TOKEN_SEED_FILE' : `HQ_TOKEN_${kind.toUpperCase()}`
    const named = (): Promise<Ended> => hq(['get'], { env: { [name]: link } })
    lchownSync(link, STRANGER, STRANGER)
    const { code, stdout, stderr } = await named()
    expect({ code, stdout }, stderr).toEqual({ code: kind === 'seed' ? 65 : 78, stdout: '' })
    expect(stderr).toContain(`is reached by a link of another user (uid 23456): ${link}`)
    lchownSync(link, VICTIM, VICTIM)
    const own = await named()
    expect(withoutNews(own).stderr).not.toContain('link')
    // What a config names is beside its name.
    if (kind !== 'config') expect(withoutNews(own)).toMatchObject({ code: 0, stderr: '' })
  })

  it.each(KINDS)(
    'a file of trust that others can read is worth a warning where it is a secret: a %s',
    async (kind) => {
      const { hq, files } = there
      chmodSync(files[kind], 0o644)
      const { code, stderr } = await hq(['get'])
      const doctor = await hq(['doctor'])
      expect([code, doctor.code]).toEqual([0, 0])
      const warning = `${files[kind]} can be read by others`
      expect(stderr.includes(warning)).toBe(SECRET.includes(kind))
      // The seed has been imported, and is worth a warning all the same.
      expect(doctor.stdout.includes(warning)).toBe(SECRET.includes(kind))
    },
  )

  it('a seed that a group can write to, as umask 002 leaves it, is imported with a warning', async () => {
    const { hq, files } = there
    chmodSync(files.seed, 0o664)
    const before = await hq(['doctor'])
    expect(before.code).toBe(0)
    expect(before.stdout).toContain('can be read and changed by others')
    const { code, stderr } = await hq(['get'])
    expect({ code }).toEqual({ code: 0 })
    expect(stderr).toContain(
      `${files.seed} can be read and changed by others\nhq-token: hint: chmod 600 ${files.seed}\n`,
    )
  })

  it('a seed on a descriptor is taken from whoever it is, as on standard input', async () => {
    const { files } = there
    chownSync(files.seed, STRANGER, STRANGER)
    chmodSync(files.seed, 0o644)
    // The pipe is of whoever runs this; the file on it is a stranger's.
    for (const handed of ['cat "$0" | exec "$@"', 'exec "$@" < "$0"'])
      expect(
        await asUser(
          VICTIM,
          ['sh', '-c', handed, files.seed, ...program(['seed', '--force', '/dev/stdin'])],
          {
            env: { HQ_TOKEN_CONFIG: files.config },
          },
        ),
      ).toMatchObject({ code: 0 })
  })

  it('a seed that is another user’s pipe is refused', async () => {
    const { hq } = there
    const dir = shared()
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', ['-m', '644', pipe])
    chownSync(pipe, STRANGER, STRANGER)
    const { code, stderr } = await hq(['seed', pipe])
    expect(code).toBe(65)
    expect(stderr).toContain('belongs to another user')
  })

  it('a fresh token needs none of them, and is served', async () => {
    const { hq, files } = there
    expect((await hq(['get'])).code).toBe(0)
    for (const kind of ['ca_file', 'client_key_file', 'client_secret_file', 'seed'] as const)
      chmodSync(files[kind], 0o622)
    const { code, stderr } = await hq(['get'])
    expect(code).toBe(0)
    // Better said now than by the job that has to refresh.
    for (const kind of ['client_key_file', 'client_secret_file'] as const)
      expect(stderr).toContain(`warning: ${files[kind]} can be changed by others`)
  })

  it.each(['api', 'login'])('%s does not go out with a ca_file of another user', async (command) => {
    const { hq, files, sandbox } = there
    expect((await hq(['get'])).code).toBe(0)
    const before = sandbox.log.length
    chownSync(files.ca_file, STRANGER, STRANGER)
    chmodSync(files.ca_file, 0o644)
    const args = command === 'api' ? ['api', '1/sites'] : ['login', '--no-browser']
    const { code, stdout, stderr } = await hq(args)
    expect({ code, stdout }, stderr).toEqual({ code: 78, stdout: '' })
    expect(stderr).toContain('says which servers are trusted and belongs to another user')
    expect(sandbox.log).toHaveLength(before)
  })

  it('doctor tells of NODE_EXTRA_CA_CERTS, which is Node’s own to read', async () => {
    const { hq } = there
    const extra = join(folder(), 'extra.pem')
    copyFileSync(firm.cert, extra)
    chmodSync(join(extra, '..'), 0o755)
    const said = async (): Promise<string> =>
      (await hq(['doctor'], { env: { NODE_EXTRA_CA_CERTS: extra } })).stdout
    chmodSync(extra, 0o644)
    expect(await said()).toMatch(/^ok +trust +.*of \S+extra\.pem/m)
    chmodSync(extra, 0o666)
    expect(await said()).toMatch(/^warn +trust +.*can be changed by others\n +→ as root: chmod go-w \S+$/m)
    chmodSync(extra, 0o644)
    chownSync(extra, STRANGER, STRANGER)
    expect(await said()).toMatch(/^warn +trust +.*belongs to another user \(uid 23456\)/m)
  })
})

describe.skipIf(!canBeOthers)('to root', { timeout: 60_000 }, () => {
  it.each(KINDS)('another user’s %s is a stranger’s, and root is not told to take it away', async (kind) => {
    const { files, hq } = await home(0)
    chownSync(files[kind], VICTIM, VICTIM)
    const { code, stdout, stderr } = await hq(['get'])
    expect({ code, stdout }).toEqual({ code: kind === 'seed' ? 65 : 78, stdout: '' })
    expect(stderr).toContain('belongs to another user (uid 12345)')
    expect(stderr).toMatch(/hint: run as that user, or name a copy that is root’s: install -m 600 \S+ COPY\n/)
  })
})
