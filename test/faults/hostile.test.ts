import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CERTIFICATE, http } from '../oauth/loopback.js'
import { folder } from '../support/folder.js'
import { BIN, ended, withoutNews } from '../support/processes.js'
import { ACCESS, aim, GOOD, leaked, NEW_ACCESS, target, type Aim, type Target } from './network-aim.js'
import { full, report } from './figures.js'
import { requireStrace } from './strace.js'

// Places and surroundings that somebody else has prepared: refused with a reason, or without effect.

const NOBODY = 65_534
const figures = { places: 0, requests: 0, touched: 0, creations: 0, wide: 0, escaped: 0 }

afterAll(() => {
  report('hostile', {
    tried: `${figures.places} places and surroundings`,
    seen: `${figures.requests} requests from there, ${figures.touched} files of others touched, ${figures.wide} of ${figures.creations} files made under umask 000 wider than 0600, ${figures.escaped} control characters escaped`,
  })
})

let server: Target

beforeAll(async () => {
  server = await target((socket) => void socket.write(http(200, GOOD)))
})

/** A store in a folder of its own that holds a token which has expired. */
async function seeded(): Promise<Aim & { readonly state: string }> {
  const aimed = aim(`http://127.0.0.1:${server.port}/token`)
  const state = join(aimed.dir, 'state')
  writeFileSync(
    aimed.config,
    readFileSync(aimed.config, 'utf8').replace('path = token.db', 'path = state/token.db'),
  )
  const { code } = await aimed.told(['seed'])
  expect(code).toBe(0)
  return { ...aimed, state }
}

const HOSTILE: Record<string, (path: string, elsewhere: string) => void> = {
  'a symbolic link': (path, elsewhere) => {
    renameSync(path, elsewhere)
    symlinkSync(elsewhere, path)
  },
  'a symbolic link to nowhere': (path, elsewhere) => {
    rmSync(path, { recursive: true })
    symlinkSync(`${elsewhere}-nowhere`, path)
  },
  'a hard link': (path, elsewhere) => {
    linkSync(path, elsewhere)
  },
  'a directory': (path) => {
    rmSync(path)
    mkdirSync(path, { mode: 0o700 })
  },
  'a plain file': (path) => {
    rmSync(path, { recursive: true })
    writeFileSync(path, 'x', { mode: 0o600 })
  },
  'a fifo': (path) => {
    rmSync(path, { recursive: true })
    execFileSync('mkfifo', ['-m', '600', path])
  },
  'of another user': (path) => {
    if (process.geteuid?.() !== 0) throw new Error('only root can show what becomes of another user’s file')
    chownSync(path, NOBODY, NOBODY)
  },
  'readable by others': (path) => {
    chmodSync(path, 0o644)
  },
  'writable by others': (path) => {
    chmodSync(path, lstatSync(path).isDirectory() ? 0o1777 : 0o602)
  },
}
const PLACES: Record<string, readonly string[]> = {
  '': Object.keys(HOSTILE).filter(
    (what) => !['a hard link', 'a directory', 'readable by others'].includes(what),
  ),
  'token.db': Object.keys(HOSTILE),
  'token.rescue': Object.keys(HOSTILE).filter((what) => what !== 'a plain file'),
  'token.lock': Object.keys(HOSTILE).filter((what) => what !== 'a plain file'),
  'token.db-journal': Object.keys(HOSTILE).filter((what) => what !== 'a plain file'),
}

describe.each(Object.keys(PLACES))('the store’s %j', (name) => {
  it.each(PLACES[name] ?? [])('being %s is refused, and nothing is asked or changed', async (what) => {
    const { state, dir, told } = await seeded()
    const path = name === '' ? state : join(state, name)
    // What is not there yet is made by the first refresh.
    if (!existsSync(path)) throw new Error(`${name} is not a file of a store that was seeded`)
    const elsewhere = join(dir, 'elsewhere')
    HOSTILE[what]?.(path, elsewhere)
    const before = fingerprint(dir)
    const asked = server.requests.length

    const begin = performance.now()
    for (const args of [['get'], ['refresh'], ['seed', '--force']]) {
      const { code, stdout, stderr } = await told(args)
      expect({ code, stdout }, stderr).toEqual({ code: 74, stdout: '' })
      expect(stderr).toContain(path)
      expect(stderr).toContain('hq-token: hint: ')
      expect(leaked(stderr)).toEqual([])
    }
    expect(performance.now() - begin).toBeLessThan(10_000)
    expect(server.requests).toHaveLength(asked)
    expect(fingerprint(dir)).toBe(before)
    figures.places += 1
    figures.requests += server.requests.length - asked
    figures.touched += fingerprint(dir) === before ? 0 : 1
  })
})

/** All that stands in a folder: names, modes, owners, contents. */
function fingerprint(dir: string): string {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(dir, name)
      const stats = lstatSync(path)
      const content = stats.isSymbolicLink()
        ? readlinkSync(path)
        : stats.isFile()
          ? readFileSync(path).toString('base64')
          : ''
      return `${name} ${stats.mode} ${stats.uid} ${stats.nlink} ${content}`
    })
    .join('\n')
}

describe('names that the store uses in passing', () => {
  it.each(['token.db.new', 'token.rescue.new'])(
    '%s being a link to somebody’s file does not cost that file',
    async (name) => {
      const { state, dir, config, told } = aimWithState()
      mkdirSync(state, { mode: 0o700 })
      const victim = join(dir, 'victim')
      writeFileSync(victim, 'precious', { mode: 0o644 })
      symlinkSync(victim, join(state, name))
      expect(await told(['get'])).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n` })
      expect(readFileSync(victim, 'utf8')).toBe('precious')
      expect(lstatSync(victim).mode & 0o777).toBe(0o644)
      expect(config).not.toBe('')
      figures.places += 1
    },
  )
})

function aimWithState(): Aim & { readonly state: string } {
  const aimed = aim(`http://127.0.0.1:${server.port}/token`)
  writeFileSync(
    aimed.config,
    readFileSync(aimed.config, 'utf8').replace('path = token.db', 'path = state/token.db'),
  )
  return { ...aimed, state: join(aimed.dir, 'state') }
}

describe('under umask 000', () => {
  it(
    'nothing is made wider than 0600, folders 0700, not even for an instant',
    { timeout: 90_000 },
    async () => {
      requireStrace()
      const { dir, config, seed } = aim(`http://127.0.0.1:${server.port}/token`)
      writeFileSync(config, readFileSync(config, 'utf8').replace('path = token.db', 'path = a/b/token.db'))
      const log = join(dir, 'strace.log')
      const calls = 'openat,open,creat,mkdir,mkdirat,chmod,fchmod,fchmodat,mknod,mknodat'
      const { HOME, PATH } = process.env
      for (const args of ['seed', 'get', 'refresh']) {
        const traced = `umask 000; exec strace -f -qq -o '${log}.${args}' -e trace=${calls} '${process.execPath}' '${BIN}' ${args}`
        const child = spawn('sh', ['-c', traced], {
          env: { HOME, PATH, HQ_TOKEN_CONFIG: config },
          timeout: 60_000,
        })
        const code = await new Promise((resolve) => child.on('close', resolve))
        expect(code).toBe(0)
        // The mark beside a spent seed holds no secret, and is for all to read: without the file there is none.
        if (args === 'seed') rmSync(seed)
      }
      const made = ['seed', 'get', 'refresh'].flatMap((args) => creations(`${log}.${args}`))
      expect(made.map(({ path }) => path)).toEqual(
        expect.arrayContaining([
          join(dir, 'a'),
          join(dir, 'a/b'),
          join(dir, 'a/b/token.db-journal'),
          join(dir, 'a/b/token.lock'),
        ]),
      )
      const wide = made.filter(({ mode }) => (mode & 0o077) !== 0)
      expect(wide).toEqual([])
      for (const name of readdirSync(join(dir, 'a/b')))
        expect(lstatSync(join(dir, 'a/b', name)).mode & 0o777).toBe(0o600)
      figures.creations += made.length
      figures.wide += wide.length
    },
  )
})

/** Each file or folder that was made, or given a mode. */
function creations(log: string): { path: string; mode: number }[] {
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, path = '', mode] =
        /(?:openat|open)\((?:AT_FDCWD, )?"([^"]+)", [A-Z_|]*O_CREAT[A-Z_|]*, (0\d+)\)/.exec(line) ??
        /(?:mkdir|mkdirat|chmod|fchmodat|fchmod|creat|mknod)\((?:AT_FDCWD, )?"?([^",]+)"?, (?:[A-Z_|]+\|)?(0\d+)/.exec(
          line,
        ) ??
        []
      return mode === undefined || / = -1 EEXIST/.test(line) ? [] : [{ path, mode: parseInt(mode, 8) }]
    })
}

describe('an environment that lays things open', () => {
  it('NODE_TLS_REJECT_UNAUTHORIZED=0 sends nothing, and a token that is good is served', async () => {
    const tls = await target((socket) => void socket.write(http(200, GOOD)), readFileSync(CERTIFICATE))
    const url = `https://localhost:${tls.port}/token`
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    const refused = await aim(url).start(['get'], { env }).done
    expect(refused).toMatchObject({ code: 78, stdout: '' })
    expect(refused.stderr).toContain('NODE_TLS_REJECT_UNAUTHORIZED')
    expect(refused.stderr).toContain('NODE_EXTRA_CA_CERTS')
    expect(tls.connections).toBe(0)
    const fresh = await aim(url, { accessTtl: 3600 }).start(['get'], { env }).done
    expect(fresh).toMatchObject({ code: 0, stdout: `${ACCESS}\n` })
    figures.places += 1
  })

  it('SIGUSR1 while a refresh is on its way opens no inspector', { timeout: 60_000 }, async () => {
    const slow = await target((socket) => {
      setTimeout(() => socket.write(http(200, GOOD)), 1500)
    })
    const { child, done } = aim(`http://127.0.0.1:${slow.port}/token`).start(['get'])
    while (slow.requests.length === 0) await pause(20)
    for (let round = 0; round < 5; round++) {
      child.kill('SIGUSR1')
      await pause(100)
      expect(listening(child.pid ?? 0)).toEqual([])
    }
    expect(withoutNews(await done)).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n`, stderr: '' })
    figures.places += 1
  })

  it.each(['--inspect=127.0.0.1:0', '--inspect=0.0.0.0:0', '--inspect-port=0 --inspect'])(
    'NODE_OPTIONS=%s leaves no inspector open while a refresh is on its way',
    { timeout: 60_000 },
    async (options) => {
      let open: string[] = []
      const watched = await target((socket) => {
        open = listening(running.child.pid ?? 0)
        socket.write(http(200, GOOD))
      })
      const running = aim(`http://127.0.0.1:${watched.port}/token`).start(['get'], {
        env: { NODE_OPTIONS: options },
      })
      await running.done
      expect(open).toEqual([])
    },
  )
})

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The addresses on which one process listens. */
function listening(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.slice(1) ?? []
    } catch {
      return []
    }
  })
  return ['tcp', 'tcp6']
    .flatMap((kind) => readFileSync(`/proc/${pid}/net/${kind}`, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , status, , , , , , inode = '']) => status === '0A' && sockets.includes(inode))
    .map(([, address = '']) => address)
}

describe('control characters in what a server says', () => {
  // ESC, BEL, CSI of one byte, a line that looks like ours, and marks that turn the direction of writing.
  const NASTY =
    '\u001b]0;x\u0007\u001b[2J\u009b31m\r\nhq-token: all is well\u202e\u2066\u200f\u0085\ufeff\u0000\u007f' +
    '\u061c\u2060\u{e0041}\u{e007f}\u2028\u2029\u00ad\u180e\ufe0f\u{e0100}\u115f\u034f\ue000\u{f0000}\ufff9\u2065\uffff'
  const CONTROL = /[^\P{C}\n]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

  const shouting = (fields: object, status = 400) =>
    target((socket) => void socket.write(http(status, Buffer.from(JSON.stringify(fields)))))

  it.each([
    ['error_description', { error: 'invalid_grant', error_description: NASTY }, 4],
    ['error_description of a refused client', { error: 'invalid_client', error_description: NASTY }, 78],
    ['error', { error: `x${NASTY}` }, 75],
    ['error of an object', { error: { code: `x${NASTY}`, message: NASTY } }, 75],
  ])('%s are escaped, by get and by status', async (_field, fields, exit) => {
    const { port } = await shouting(fields)
    const { told } = aim(`http://127.0.0.1:${port}/token`)
    const { code, stderr, stdout } = await told(['get'])
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' })
    expect(stderr).toContain('\\x1b')
    expect(stderr).toMatch(/\\x61c.*\\x2060.*\\xe0041/s)
    expect(stderr).not.toMatch(CONTROL)
    expect(stderr).not.toMatch(/^hq-token: all is well/m)
    expect((await told(['get'])).stderr).not.toMatch(CONTROL)
    const status = await told(['status'])
    expect(status.code).toBe(0)
    expect(status.stdout).not.toMatch(CONTROL)
    figures.escaped += stderr.match(/\\x/g)?.length ?? 0
  })

  it.each([
    ['get', '--log-format', 'json'],
    ['status', '--json'],
  ])('control characters in what a server says are escaped in JSON too: %s %s %s', async (...args) => {
    const { port } = await shouting({ error: 'invalid_grant', error_description: NASTY })
    const { told } = aim(`http://127.0.0.1:${port}/token`)
    await told(['get'])
    const { stderr, stdout } = await told(args[0] === 'get' ? [...args.slice(1), 'get'] : args)
    expect(stdout + stderr).not.toMatch(CONTROL)
  })

  it('control characters in the user’s name are escaped by status', async () => {
    const { port } = await target(
      (socket) =>
        void socket.write(
          http(200, Buffer.from(JSON.stringify({ ...(JSON.parse(GOOD) as object), useremail: NASTY }))),
        ),
    )
    const { told } = aim(`http://127.0.0.1:${port}/token`)
    expect((await told(['get'])).code).toBe(0)
    const { stdout } = await told(['status'])
    expect(stdout).toContain('\\x1b')
    expect(stdout).not.toMatch(CONTROL)
  })
})

it(
  'control characters in what a server says are escaped in the warnings of the library',
  { timeout: 60_000 },
  async () => {
    const said = JSON.stringify({ error: 'invalid_client', error_description: 'no\u001b[2J\u061c\u{e0041}' })
    const { port } = await target((socket) => void socket.write(http(400, Buffer.from(said))))
    const config = '[refresh]\nearly = 100%\n'
    const aimed = aim(`http://127.0.0.1:${port}/token`, { accessTtl: 3600, config })
    // Due, and served whatever comes of a refresh.
    appendFileSync(aimed.seed, `issued_at = ${Math.floor(Date.now() / 1000) - 2000}\n`)
    const library = join(BIN, '../index.js')
    const program = `import { openGuard } from ${JSON.stringify(library)}; await (await openGuard()).token()`
    const { HOME, PATH } = process.env
    const env = { HOME, PATH, HQ_TOKEN_CONFIG: aimed.config }
    const { stderr } = await ended(spawn(process.execPath, ['--input-type=module', '-e', program], { env }))
    expect(stderr).toContain('HqTokenWarning')
    expect(stderr).toContain('no\\x1b[2J\\x61c\\xe0041')
  },
)

describe('a named pipe that nobody writes to', () => {
  const fifo = (): string => {
    const path = join(folder(), 'pipe')
    execFileSync('mkfifo', ['-m', '600', path])
    return path
  }

  it('a named pipe that nobody writes to as config is refused at once', async () => {
    const { start } = aim(`http://127.0.0.1:${server.port}/token`)
    const path = fifo()
    const begin = performance.now()
    const { code, stdout, stderr } = await start(['get'], { env: { HQ_TOKEN_CONFIG: path } }).done
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toContain(path)
    expect(performance.now() - begin).toBeLessThan(20_000)
    figures.places += 1
  })

  it('a named pipe that nobody writes to as the client’s secret is refused before anything is sent', async () => {
    const { start, config } = aim(`http://127.0.0.1:${server.port}/token`)
    const path = fifo()
    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace(/^client_secret = .*$/m, `client_secret_file = ${path}`),
    )
    const asked = server.requests.length
    const { code, stdout } = await start(['get']).done
    expect({ code, stdout, asked: server.requests.length }).toEqual({ code: 78, stdout: '', asked })
    figures.places += 1
  })

  // Half a minute each.
  it.each(full ? ['seed FILE', 'get'] : [])(
    'a named pipe that nobody writes to as seed of %s is given up after 30 s',
    { timeout: 90_000 },
    async (how) => {
      const { start, seed } = aim(`http://127.0.0.1:${server.port}/token`)
      rmSync(seed)
      execFileSync('mkfifo', ['-m', '600', seed])
      const begin = performance.now()
      const { code, stdout, stderr } = await start(how === 'get' ? ['get'] : ['seed', seed]).done
      expect({ code, stdout }).toEqual({ code: 65, stdout: '' })
      expect(stderr).toContain('nobody writes to')
      expect(performance.now() - begin).toBeLessThan(40_000)
      figures.places += 1
    },
  )
})
