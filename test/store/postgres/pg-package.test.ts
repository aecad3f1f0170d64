import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { installation } from '../../../src/store/postgres/pg-package.js'
import { folder } from '../../support/folder.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { written } from '../../config/places.js'

const run = promisify(execFile)

/** An installation of the program alone, as npm makes it: `NODE_MODULES/hq-token`. */
function installed(root: string): string {
  const own = join(root, 'node_modules', 'hq-token')
  mkdirSync(own, { recursive: true })
  cpSync('build', join(own, 'build'), { recursive: true })
  cpSync('package.json', join(own, 'package.json'))
  return own
}

/** What a process says that makes one query. Standard error must stay empty. */
async function queried(own: string, port: number, env: Record<string, string> = {}): Promise<unknown> {
  const script = join(folder(), 'query.mjs')
  const module = JSON.stringify(join(own, 'build/store/postgres/connection.js'))
  writeFileSync(
    script,
    `import { Connection } from ${module}
const connection = new Connection({
  display: 'postgres://db/hq',
  hosts: [{ name: '127.0.0.1', port: ${port}, isTls: false }],
  login: () => ({ user: 'hq', database: 'postgres' }),
  password: async () => ({ reveal: () => 's3cret' }),
  credentials: () => ({ ca: null, client: null }),
})
const answer = await Promise.all([1, 2, 3].map(() => connection.query('SELECT 1 AS one'))).then(
  (results) => results.map(({ rows }) => rows[0].one),
  ({ code, message, hint }) => ({ code, message, hint }),
)
await connection.close()
console.log(JSON.stringify(answer))
`,
  )
  const { stdout, stderr } = await run(process.execPath, [script], { env: { ...process.env, ...env } })
  expect(stderr).toBe('')
  return JSON.parse(stdout) as unknown
}

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres({ hba: 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n' })
  await postgres.sql("CREATE USER hq PASSWORD 's3cret'")
})

describe('the package pg', () => {
  it('the package pg says nothing on standard error, and leaves nothing behind that keeps the process', async () => {
    // A password file, of which pg would say that reading it is deprecated.
    const PGPASSFILE = written('pgpass', '*:*:*:*:s3cret', 0o644)
    expect(await queried(process.cwd(), postgres.port, { PGPASSFILE })).toEqual([1, 1, 1])
  })

  it('the package pg is told of where it is missing in a project', async () => {
    const root = folder()
    writeFileSync(join(root, 'package.json'), '{}')
    expect(await queried(installed(root), postgres.port)).toEqual({
      code: 'HQ_CONFIG_INVALID',
      message: 'a shared store needs the package pg, which is not installed beside hq-token',
      hint: `cd ${root} && npm install pg`,
    })
  })

  it('the package pg is told of where it is missing beside a global installation, and is found there', async () => {
    const root = folder()
    const own = installed(root)
    expect(await queried(own, postgres.port)).toMatchObject({ hint: 'npm install --global pg' })
    // As npm puts it there.
    symlinkSync(join(process.cwd(), 'node_modules/pg'), join(root, 'node_modules/pg'))
    expect(await queried(own, postgres.port)).toEqual([1, 1, 1])
  })

  it('the package pg is not taken in its native form, which would not check a certificate as it is told', async () => {
    expect(await queried(process.cwd(), postgres.port, { NODE_PG_FORCE_NATIVE: '1' })).toEqual({
      code: 'HQ_CONFIG_INVALID',
      message: 'NODE_PG_FORCE_NATIVE is set: a shared store needs the JavaScript client of pg',
      hint: 'unset NODE_PG_FORCE_NATIVE',
    })
  })
})

describe('the command that installs pg', () => {
  it('the command that installs pg names the project, also where the packages are links (pnpm)', () => {
    const root = folder()
    writeFileSync(join(root, 'package.json'), '{}')
    const within = 'node_modules/.pnpm/hq-token@1.0.0/node_modules/hq-token/dist/refresh.cjs'
    expect(installation(join(root, within))).toBe(`cd ${root} && npm install pg`)
  })

  it('the command that installs pg is that of the development in a clone', () => {
    expect(installation('/home/someone/hq-token/dist/refresh.cjs')).toBe('npm install')
  })
})
