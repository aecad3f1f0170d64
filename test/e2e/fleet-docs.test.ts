// What docs/fleet.md shows is typed here: its set-up, its SQL, its settings, its example for Kubernetes and its table.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Deployment } from 'kubernetes-models/apps/v1'
import { CronJob } from 'kubernetes-models/batch/v1'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { rowIn } from '../../bench/rows.js'
import { configKeys } from '../../src/config/keys.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { BIN, ended } from '../support/processes.js'
import { told } from '../support/world.js'

const page = readFileSync('docs/fleet.md', 'utf8')
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text)
const [owner = '', host = ''] = blocks('sh')
const commands = [owner, host].map((block) => block.trim().split('\n'))
const [settings = '', cloud = ''] = blocks('ini')

let postgres: Postgres
beforeAll(async () => {
  requirePrograms(['psql', 'postgresql-client'], ['createdb', 'postgresql-client'])
  postgres = await startPostgres()
})

describe('the page on many hosts', () => {
  it(
    'the page on many hosts sets up a database and a host in five commands',
    { timeout: 60_000 },
    async () => {
      expect(commands.flat()).toHaveLength(5)
      const there = await place({ accessTtl: 3600 }, 3600)
      const home = folder()
      writeFileSync(join(home, 'hq-token'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`, {
        mode: 0o755,
      })
      writeFileSync(join(home, 'store-password'), 'of no use here', { mode: 0o600 })
      writeFileSync(join(home, 'token.ini'), readFileSync(there.seed), { mode: 0o600 })
      const config = readFileSync(there.config, 'utf8')
        .replace(/^\[store\]\npath = .*\n/m, settings)
        .replace('@db.example.com/', `@127.0.0.1:${postgres.port}/`)
        .replace(/^\[seed\][^]*$/m, '')
      writeFileSync(join(home, 'config.ini'), config, { mode: 0o600 })
      const env = { HOME: home, PATH: `${home}:/usr/bin:/bin`, HQ_TOKEN_CONFIG: join(home, 'config.ini') }
      // The owner's machine has no configuration of ours.
      const ofOwner = {
        ...{ HOME: folder(), PATH: env.PATH },
        ...{ PGHOST: '127.0.0.1', PGPORT: String(postgres.port), PGUSER: 'postgres' },
      }
      const type = (line: string, as: NodeJS.ProcessEnv): ReturnType<typeof ended> =>
        ended(spawn('sh', ['-euc', line], { cwd: home, env: as, stdio: ['ignore', 'pipe', 'pipe'] }))
      for (const line of commands[0] ?? [])
        expect([line, await type(line, ofOwner)]).toEqual([line, expect.objectContaining({ code: 0 })])
      for (const line of commands[1] ?? [])
        expect([line, await type(line, env)]).toEqual([line, expect.objectContaining({ code: 0 })])
      const { stdout } = await type('hq-token doctor', env)
      expect(stdout).toMatch(/^ok +rights +jobs may do all that is needed$/m)
      expect(stdout).not.toMatch(/^fail/m)
      expect(await there.works((await type('hq-token get', env)).stdout.trim())).toBe(true)
    },
  )

  it('the page on many hosts takes the token set of a host along', async () => {
    const there = await place({ accessTtl: 3600 }, 3600)
    await there.run(['seed'])
    const token = (await there.run(['get'])).stdout.trim()
    const url = postgres.url(await postgres.createDatabase())
    const [, line = ''] = /`hq-token (move --to postgres:\S+)`/.exec(page) ?? []
    const ownPlace = { env: { HQ_TOKEN_STATE_DIR: folder() } }
    const moved = await there.run(line.replace(/postgres:\S+/, url).split(' '), ownPlace)
    expect(moved).toMatchObject({ code: 0, stdout: '' })
    expect(await there.run(['get'])).toMatchObject({ code: 78, stdout: '' })
    const env = { HQ_TOKEN_STORE_URL: url, HQ_TOKEN_STORE: join(folder(), 'token.seat') }
    expect(await there.run(['get'], { env })).toMatchObject({ code: 0, stdout: `${token}\n` })
    expect(there.sandbox.refreshes()).toBe(0)
  })

  it('the page on many hosts tells of every key of a shared store, and of no other', () => {
    const keys = configKeys.filter(({ section, supported }) => section === 'store' && supported)
    const table = page.slice(page.indexOf('| key of `[store]` |'), page.indexOf('`[refresh] lock_wait`'))
    const named = [...table.matchAll(/^\| ([^|]*)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, key]) => key),
    )
    expect(named.sort()).toEqual(keys.map(({ key }) => key).sort())
    for (const { key, default: byDefault } of keys)
      if (byDefault !== null)
        expect(table).toMatch(new RegExp(`^\\| \`${key}\` \\| \`${byDefault}\` \\|`, 'm'))
  })

  it('the page on many hosts has settings that the configuration takes', async () => {
    for (const text of [settings, cloud]) {
      const config = join(folder(), 'config.ini')
      writeFileSync(config, `[client]\ninstance = https://acme.highq.com/acme/\nclient_id = 1\n${text}`, {
        mode: 0o600,
      })
      const { stdout } = await told(['doctor', '--json'], {
        // Nothing is sent: both files that are named are missing.
        env: {
          HQ_TOKEN_CONFIG: config,
          HQ_TOKEN_STORE_URL: text.includes('sslrootcert') ? undefined : 'postgres://127.0.0.1:1/x',
        },
      })
      const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; message: string }[] }
      expect(checks.filter(({ message }) => /unknown|does not know|is not a/.test(message))).toEqual([])
    }
  })

  it('the page on many hosts has SQL that PostgreSQL runs', async () => {
    const there = await place()
    const database = await postgres.createDatabase()
    await postgres.sql(
      (await told(['doctor', '--sql'], { env: { HQ_TOKEN_CONFIG: there.config } })).stdout,
      'postgres',
      database,
    )
    const inline = [...page.matchAll(/`(ALTER [^`]+)`/g)].map(([, text = '']) =>
      text.replace('DATABASE hq_token', `DATABASE ${database}`),
    )
    expect(inline).toHaveLength(2)
    for (const text of inline) await postgres.sql(text, 'postgres', database)
    const [failOver = '', ...more] = blocks('sql')
    expect(more).toEqual([])
    for (const text of failOver.trim().split('\n')) await postgres.sql(text)
    expect(await postgres.sql('SELECT name FROM pg_file_settings WHERE error IS NULL')).toContainEqual({
      name: 'synchronous_standby_names',
    })
    // Else every commit from here on would wait for a standby.
    for (const text of ['ALTER SYSTEM RESET ALL', 'SELECT pg_reload_conf()']) await postgres.sql(text)
  })
})

describe('a database that logs statements', () => {
  it.each(['log_statement=all', 'log_min_duration_statement=0'])(
    'a database with %s writes tokens into its log, unless it leaves values out as the page says',
    async (setting) => {
      const [name = '', value = ''] = setting.split('=')
      const logging = await startPostgres({ config: { [name]: value } })
      const [remedy = ''] = /ALTER DATABASE hq_token SET log_parameter\w+ = 0/.exec(page) ?? []
      const found: boolean[] = []
      for (const isLeftOut of [false, true]) {
        const there = await place()
        const database = await logging.createDatabase()
        if (isLeftOut) await logging.sql(remedy.replace('hq_token', database))
        const text = readFileSync(there.config, 'utf8')
        writeFileSync(
          there.config,
          text.replace(/^path = .*$/m, `url = ${logging.url(database)}\npath = token.seat`),
        )
        const token = (await there.run(['get'])).stdout.trim()
        expect(await there.works(token)).toBe(true)
        found.push(readFileSync(join(logging.folder, 'log'), 'latin1').includes(token))
      }
      expect(found).toEqual([true, false])
    },
  )
})

describe('the example for Kubernetes', () => {
  const documents = parseAllDocuments(readFileSync('examples/kubernetes.yaml', 'utf8'))
  const [cron, deployment] = documents.map((document) => document.toJS() as never)

  it('the example for Kubernetes is what Kubernetes takes', () => {
    expect(documents.map(({ errors }) => errors)).toEqual([[], []])
    for (const [Model, given] of [
      [CronJob, cron],
      [Deployment, deployment],
    ] as const) {
      const model = new Model(given)
      expect(() => {
        model.validate()
      }).not.toThrow()
      // Nothing is passed over, and a key that is spelt wrongly is found.
      expect(model.toJSON()).toEqual(given)
      const misspelt = JSON.stringify(given).replace('"template"', '"tempalte"')
      expect(() => {
        new Model(JSON.parse(misspelt) as never).validate()
      }).toThrow()
    }
  })

  it('the example for Kubernetes runs as nobody special, on a read-only root, with its seat in an emptyDir', () => {
    interface Container {
      env: { name: string; value?: string }[]
      securityContext: object
      volumeMounts: { name: string; mountPath: string }[]
    }
    interface Pod {
      spec: {
        securityContext: object
        containers: [Container]
        volumes: { name: string; emptyDir?: object }[]
      }
    }
    const pods = [
      (cron as unknown as { spec: { jobTemplate: { spec: { template: Pod } } } }).spec.jobTemplate.spec
        .template,
      (deployment as unknown as { spec: { template: Pod } }).spec.template,
    ]
    const known = [...configKeys.map((key): string => key.env), 'HQ_TOKEN_STATE_DIR', 'PGPASSWORD']
    for (const { spec } of pods) {
      const [{ env, securityContext, volumeMounts }] = spec.containers
      expect(spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      expect(securityContext).toEqual({
        ...{ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      })
      for (const { name } of env) expect(known).toContain(name)
      expect(volumeMounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name))
      const seat = volumeMounts.find(({ mountPath }) => env[0]?.value?.startsWith(`${mountPath}/`))
      expect(spec.volumes.find(({ name }) => name === seat?.name)?.emptyDir).toBeDefined()
    }
  })
})

describe('the figures of the page on many hosts', () => {
  const figures = (text: string): string => /^\| measured[^]*^Printed by .*$/m.exec(text)?.[0] ?? ''
  const results = readFileSync('bench/fleet.md', 'utf8')

  it('the figures of the page on many hosts are those of bench/fleet.md', () => {
    expect(figures(page)).toMatch(/Printed by `npm run bench:fleet` on 20/)
    expect(figures(page)).toBe(figures(results))
  })

  it('the figures of the page on many hosts show what is promised, where no other load can change it', () => {
    const none = ['connections', 'round trips (one statement each)', 'of them commits that write']
    for (const figure of none) expect(rowIn(results, `warm \`get\`, ${figure}`, '')['hq-token']).toBe('0')
    for (const size of [60, 200])
      expect(
        rowIn(results, `${size} \`get\`s at once on one host at expiry, requests to the token endpoint`, '')
          .reached,
      ).toBe('met')
    expect(rowIn(results, 'warm `get`, cpu', 'the same on an SQLite store').ratios[0]).toBeLessThanOrEqual(
      1.05,
    )
  })
})
