import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { folder } from './support/folder.js'
import { packed } from './support/packed.js'
import { place, type Place } from './support/place.js'
import { ended, withoutNews, type Ended } from './support/processes.js'
import { seedText } from './support/seed-text.js'

const SITES = '101\tDeal room\n102\tResearch & know-how\n103\tClosed matters\n'
const text = (name: string): string => readFileSync(join('examples', name), 'utf8')

/** As at a user's: the packed program in the path, the examples beside it. */
let project: string

beforeAll(async () => {
  project = await packed()
  cpSync('examples', project, { recursive: true })
}, 180_000)

/** Runs a command as the examples are run: with `hq-token` in the path, and `API` to know the API by. */
function run(here: Place, command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const [program = '', ...args] = command
  const { HOME, PATH } = process.env
  return ended(
    spawn(program, args, {
      cwd: project,
      env: {
        ...{ HOME, PATH: `${join(project, 'node_modules/.bin')}:${PATH ?? ''}` },
        ...{ HQ_TOKEN_CONFIG: here.config, API: new URL('api', here.sandbox.url).href, ...env },
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  ).then(withoutNews)
}

/** A place whose token the API refuses, before its time. */
async function refusedPlace(): Promise<Place> {
  const here = await place({}, 3600)
  const seed = readFileSync(here.seed, 'utf8')
  writeFileSync(here.seed, seed.replace(/^access_token = .*$/m, 'access_token = long-since-forgotten'))
  return here
}

/** A place where a person must log in: the server has ended the grant. */
function endedPlace(): Promise<Place> {
  return place({ faults: [{ name: 'invalid-grant', count: Infinity }] })
}

describe('the example in Node', () => {
  const COMMAND = ['node', 'sites.mjs']

  it('the example in Node lists the sites', async () => {
    expect(await run(await place(), COMMAND)).toMatchObject({ code: 0, stdout: SITES, stderr: '' })
  })

  it('the example in Node heals a refused token by itself', async () => {
    const here = await refusedPlace()
    expect(await run(here, COMMAND)).toMatchObject({ code: 0, stdout: SITES, stderr: '' })
    expect(here.sandbox.refreshes()).toBe(1)
  })

  it('the example in Node ends with the exit code of hq-token', async () => {
    const said = await run(await endedPlace(), COMMAND)
    expect(said).toMatchObject({ code: 4, stdout: '' })
    expect(said.stderr).toContain('hq-token seed')
  })

  it('the example in Node says what is missing where there is no configuration', async () => {
    const [home, nowhere] = [folder(), { HQ_TOKEN_CONFIG: '' }]
    const said = await run(await place(), COMMAND, { HOME: home, XDG_CONFIG_HOME: home, ...nowhere })
    expect(said).toMatchObject({ code: 78, stdout: '' })
    expect(said.stderr).toMatch(/instance/)
  })

  it('the example in Node ends as `api` does when the API answers with an error, or nobody answers', async () => {
    const here = await place()
    const api = createServer((_, response) => void response.writeHead(404).end('no such thing'))
    await once(api.listen(0, '127.0.0.1'), 'listening')
    const HQ_TOKEN_API_URL = `http://127.0.0.1:${(api.address() as AddressInfo).port}/`
    const said = await run(here, COMMAND, { HQ_TOKEN_API_URL })
    api.close()
    api.closeAllConnections()
    expect(said).toMatchObject({ code: 22, stdout: '', stderr: 'the API answered 404: no such thing\n' })
    expect(await run(here, COMMAND, { HQ_TOKEN_API_URL: 'http://127.0.0.1:1/' })).toMatchObject({
      code: 75,
      stdout: '',
    })
  })

  it('the example in Node compiles', { timeout: 300_000 }, () => {
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(process.cwd(), 'node_modules', name), join(project, 'node_modules', name))
    const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
    const options = ['--noEmit', '--checkJs', '--strict', '--skipLibCheck', '--types', 'node']
    const resolution = ['--target', 'es2022', '--module', 'nodenext']
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, ...resolution, 'sites.mjs'], {
      cwd: project,
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([0, ''])
  })
})

describe('the example in bash', () => {
  const COMMAND = ['bash', 'sites.sh']

  it('the example in bash is a script that bash can read, and says what it needs', async () => {
    expect(spawnSync('bash', ['-n', 'examples/sites.sh']).status).toBe(0)
    const said = await run(await place(), COMMAND, { API: '' })
    expect(said).toMatchObject({ code: 1, stdout: '' })
    expect(said.stderr).toContain('set API to the address')
  })

  it('the example in bash needs `get --format header`: lists the sites', async () => {
    const said = await run(await place(), COMMAND)
    expect(said).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(said.stdout)).toMatchObject({ site: [{ id: 101 }, { id: 102 }, { id: 103 }] })
  })

  it('the example in bash needs `get --format header`: takes an address with a slash at its end', async () => {
    const here = await place()
    const said = await run(here, COMMAND, { API: new URL('api/', here.sandbox.url).href })
    expect(said).toMatchObject({ code: 0, stderr: '' })
  })

  it('the example in bash needs `get --format header`: ends with the exit code of hq-token, and does not call', async () => {
    const here = await endedPlace()
    expect(await run(here, COMMAND)).toMatchObject({ code: 4, stdout: '' })
    expect(here.sandbox.log.filter(({ path }) => path.endsWith('/sites'))).toEqual([])
  })
})

describe('the example in Python', () => {
  const COMMAND = ['python3', '-W', 'error', 'sites.py']

  it('the example in Python lists the sites', async () => {
    expect(await run(await place(), COMMAND)).toMatchObject({ code: 0, stdout: SITES, stderr: '' })
  })

  it('the example in Python heals a refused token', async () => {
    const here = await refusedPlace()
    expect(await run(here, COMMAND)).toMatchObject({ code: 0, stdout: SITES, stderr: '' })
    expect(here.sandbox.refreshes()).toBe(1)
  })

  it('the example in Python takes an address with a slash at its end, and says what it needs without one', async () => {
    const here = await place()
    const API = new URL('api/', here.sandbox.url).href
    expect(await run(here, COMMAND, { API })).toMatchObject({ code: 0, stdout: SITES, stderr: '' })
    const said = await run(here, COMMAND, { API: undefined })
    expect(said).toMatchObject({ code: 1, stdout: '' })
    expect(said.stderr).toMatch(/^set API to the address .*\n$/)
  })

  it('the example in Python ends with the exit code of hq-token', async () => {
    expect(await run(await endedPlace(), COMMAND)).toMatchObject({ code: 4, stdout: '' })
  })

  it('the example in Python ends as `api` does when the API answers with an error, or nobody answers', async () => {
    const here = await place()
    const wrong = await run(here, COMMAND, { API: new URL('api/none', here.sandbox.url).href })
    expect(wrong).toMatchObject({ code: 22, stdout: '' })
    expect(wrong.stderr).toMatch(/^\S+\/api\/none: HTTP Error 404.*\n$/)
    const nobody = await run(here, COMMAND, { API: 'http://127.0.0.1:1/api' })
    expect(nobody).toMatchObject({ code: 75, stdout: '' })
    expect(nobody.stderr).toMatch(/^\S+: .*refused.*\n$/)
  })
})

describe('the example in PowerShell', () => {
  const script = text('sites.ps1')
  const hasPowerShell = spawnSync('pwsh', ['-Version']).status === 0

  // Where there is no PowerShell, as in CI, its words are checked and nothing is run.
  it(
    hasPowerShell ? 'lists the sites' : 'asks for a token, looks at the exit code, and shows no token',
    async () => {
      const [ask = NaN, look = NaN, use = NaN] = [
        /^\$token = & \$hqToken get /m,
        /^if \(\$LASTEXITCODE -ne 0\) \{ exit \$LASTEXITCODE \}$/m,
        /Authorization = "Bearer \$token"/,
      ].map((line) => script.search(line))
      expect([ask > 0, ask < look, look < use]).toEqual([true, true, true])
      // But for where it is obtained and where it is used, the token is not named.
      const named = script.split('\n').filter((line) => /\$token\b/.test(line))
      expect(named).toEqual([
        expect.stringMatching(/^\$token = /),
        expect.stringMatching(/^ {2}-Headers @\{ Authorization = "Bearer \$token"/),
      ])
      // Windows PowerShell 5.1 has neither this nor a default encoding that reads more than ASCII.
      expect(script).not.toMatch(/-Authentication|-AsPlainText|[^\n\x20-\x7e]/)
      expect(isBalanced(script)).toBe(true)
      if (hasPowerShell)
        expect(await run(await place(), ['pwsh', '-File', 'sites.ps1'])).toMatchObject({
          code: 0,
          stdout: SITES,
        })
    },
  )
})

describe('the example of a workflow', () => {
  const workflow = parse(text('sites.yml')) as {
    on: { schedule: { cron: string }[] }
    permissions: object
    jobs: Record<string, { 'runs-on': string[]; steps: { name: string; shell: string; run: string }[] }>
  }
  const steps = workflow.jobs['sites']?.steps ?? []

  /** As a runner does it: from a file, with these options. */
  function step(here: Place, name: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const script = join(folder(), 'step.sh')
    writeFileSync(script, steps.find((one) => one.name === name)?.run ?? 'exit 99')
    return run(here, ['bash', '--noprofile', '--norc', '-eo', 'pipefail', script], env)
  }

  it('the example of a workflow is a workflow of bash steps on a runner of one’s own, which asks GitHub for nothing', () => {
    expect(workflow.on.schedule[0]?.cron).toMatch(/^(?:\S+ ){4}\S+$/)
    expect(workflow.permissions).toEqual({})
    expect(workflow.jobs['sites']?.['runs-on']).toContain('self-hosted')
    expect(steps.map(({ shell }) => shell)).toEqual(['bash', 'bash'])
  })

  it('the example of a workflow hands the token on, masked first', async () => {
    const here = await place()
    const file = join(folder(), 'env')
    const { code, stdout, stderr } = await step(here, 'Hand the token to the steps that follow', {
      GITHUB_ENV: file,
    })
    const token = (await here.store.read())?.pair.accessToken.reveal()
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `::add-mask::${token}\n`, stderr: '' })
    expect(readFileSync(file, 'utf8')).toBe(`HQ_TOKEN=${token}\n`)
  })

  it('the example of a workflow fails with the exit code of hq-token, and hands nothing on', async () => {
    const file = join(folder(), 'env')
    const said = await step(await endedPlace(), 'Hand the token to the steps that follow', {
      GITHUB_ENV: file,
    })
    expect(said).toMatchObject({ code: 4, stdout: '' })
    expect(() => statSync(file)).toThrow('ENOENT')
  })

  it('the example of a workflow needs `api`: lists the sites', async () => {
    expect(await step(await place(), 'List the sites')).toMatchObject({ code: 0, stdout: '', stderr: '' })
    const listed = JSON.parse(readFileSync(join(project, 'sites.json'), 'utf8')) as unknown
    expect(listed).toMatchObject({ site: [{ id: 101 }, { id: 102 }, { id: 103 }] })
  })
})

/**
 * No container is built here. What is run: the step that makes the folder of the store, and the entry
 * point with its default command, in the environment of the image. Where the test is root, as another
 * user, on a root that is read-only but for the volume. What is not: the base image, and the installation
 * by npm (`npm run test:matrix` installs the package under Node 24).
 */
describe('the example of a container', () => {
  const lines = text('container/Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => /^([A-Z]+) +(.*)$/.exec(line) ?? [])
    .map(([, instruction = '', rest = '']) => ({ instruction, rest }))
  const all = (name: string): string[] =>
    lines.filter(({ instruction }) => instruction === name).map(({ rest }) => rest)
  const last = (name: string): number => lines.findLastIndex(({ instruction }) => instruction === name)

  it('the example of a container is not root, names a version of its base, and holds no secret', () => {
    expect(new Set(lines.map(({ instruction }) => instruction))).toEqual(
      new Set(['FROM', 'RUN', 'VOLUME', 'ENV', 'USER', 'ENTRYPOINT', 'CMD']),
    )
    expect(all('FROM')).toEqual([expect.stringMatching(/^node:2[2-9]\S*$/)])
    expect(all('USER')).toEqual(['node'])
    // What is made after it would belong to root again, and the folder must be there before the volume is.
    expect(last('RUN')).toBeLessThan(last('USER'))
    expect(last('RUN')).toBeLessThan(last('VOLUME'))
    expect(all('VOLUME')).toEqual(['/state'])
    expect(all('ENV').join()).not.toMatch(/secret|HQ_TOKEN=|password/i)
    for (const form of [...all('ENTRYPOINT'), ...all('CMD')]) expect(JSON.parse(form)).toHaveLength(1)
  })

  it(
    'the example of a container hands out a token, and writes nowhere but to the volume',
    { timeout: 300_000 },
    async () => {
      const here = await place()
      const isRoot = process.getuid?.() === 0
      const user = isRoot ? 1000 : (process.getuid?.() ?? 0)
      const state = join(folder(), 'state')
      const make = all('RUN').find((step) => step.includes(' /state')) ?? ''
      expect(make).toContain(`--owner=${all('USER').join()} --group=${all('USER').join()}`)
      const inPlace = make.replace(/--(owner|group)=\S+/g, isRoot ? `--$1=${user}` : '')
      execFileSync('sh', ['-euc', inPlace.replace(' /state', ` ${state}`)])
      expect(statSync(state).mode & 0o777).toBe(0o700)

      // What the other user must be able to read: the program, whole, and the configuration.
      const image = join(folder(), 'image')
      cpSync(join(project, 'node_modules'), join(image, 'node_modules'), {
        recursive: true,
        dereference: true,
      })
      symlinkSync('node_modules/hq-token/dist/bin.cjs', join(image, 'hq-token'))
      // A second instance, with a grant of its own: the store of each is where the image keeps stores.
      const profiles = join(here.dir, 'profiles')
      mkdirSync(profiles)
      const config = readFileSync(here.config, 'utf8').replace(/\[store\]\npath = .*/, '')
      writeFileSync(here.config, config)
      const acme = [join(profiles, 'acme.ini'), join(here.dir, 'acme-token.ini')] as const
      writeFileSync(acme[0], config.replace('file = token.ini', 'file = ../acme-token.ini'))
      writeFileSync(acme[1], seedText(here.sandbox.issue()))
      for (const path of [here.config, here.seed, ...acme]) {
        chmodSync(path, 0o600)
        chownSync(path, user, user)
      }
      for (const path of [here.dir, profiles, join(state, '..'), join(image, '..'), image])
        chmodSync(path, 0o755)

      const set = all('ENV').flatMap((line) => line.split(/ +/))
      expect(set).toEqual(['HQ_TOKEN_CONFIG_DIR=/etc/hq-token', 'HQ_TOKEN_STATE_DIR=/state'])
      const env = {
        PATH: `${image}:${process.env['PATH'] ?? ''}`,
        ...{ HQ_TOKEN_CONFIG_DIR: here.dir, HQ_TOKEN_STATE_DIR: state },
      }
      const command = [...all('ENTRYPOINT'), ...all('CMD')].flatMap((form) => JSON.parse(form) as string[])
      expect(command).toEqual(['hq-token', 'get'])
      const asUser = `setpriv --reuid ${user} --regid ${user} --clear-groups`
      const script = isRoot
        ? `mount --bind ${state} ${state}; mount -o remount,ro,bind /; ! touch /written; exec ${asUser}`
        : 'exec'
      for (const [words, file] of [
        [command, 'token.db'],
        [['hq-token', '--profile', 'acme', 'get'], 'acme.db'],
      ] as const) {
        const shell = ['sh', '-euc', `${script} ${words.join(' ')}`]
        const [program = '', ...args] = isRoot ? ['unshare', '--mount', ...shell] : shell
        const { code, stdout, stderr } = await ended(spawn(program, args, { env, cwd: '/' }))
        expect({ code, stderr }).toEqual({
          code: 0,
          // The folder of the configuration takes no mark, and that is said, once.
          stderr: expect.stringMatching(
            isRoot
              ? /^[^\n]*Read-only file system\n[^\n]* the seed file .*\n.*hint: remove the file/
              : /^(?:hq-token: the seed file .*\n)?$/,
          ) as string,
        })
        expect(stdout).toMatch(/^\S{40,}\n$/)
        expect(statSync(join(state, file)).uid).toBe(user)
      }
    },
  )
})

/** Brackets and quotes, as far as they can be told without PowerShell: no here-strings, no nesting in quotes. */
function isBalanced(script: string): boolean {
  const bare = script.replace(/#.*$/gm, '').replace(/'[^'\n]*'|"[^"\n]*"/g, '')
  const open: string[] = []
  for (const [one] of bare.matchAll(/[()[\]{}'"]/g)) {
    const partner = { ')': '(', ']': '[', '}': '{' }[one]
    if (partner === undefined) open.push(one)
    else if (open.pop() !== partner) return false
  }
  return open.length === 0
}
