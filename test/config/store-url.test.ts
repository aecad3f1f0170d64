import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readStoreUrl, type StoreUrl } from '../../src/config/store-url.js'
import { suggestion } from '../../src/config/suggest.js'
import { ConfigInvalid } from '../../src/core/errors.js'
import { failure, words } from './places.js'

const CANARY = 'cAnArY-0123456789'
const URL_SETTING = { where: 'config.ini, line 2: [store] url', folder: '/etc/x', from: 'file' } as const

const read = (text: string, env: Record<string, string> = {}): StoreUrl =>
  readStoreUrl({ ...URL_SETTING, text }, env, suggestion)
const hostsOf = (text: string, env: Record<string, string> = {}): string[] =>
  read(text, env).hosts.map(({ name, port, isTls }) => `${name} ${port}${isTls ? ' TLS' : ''}`)
const refusal = async (text: string, env: Record<string, string> = {}): Promise<ConfigInvalid> => {
  const error = await failure(() => read(text, env))
  expect(error).toBeInstanceOf(ConfigInvalid)
  return error as ConfigInvalid
}

describe('the hosts of a store’s URL', () => {
  it.each([
    ['postgres://db.example.com/hq', ['db.example.com 5432 TLS']],
    ['postgresql://db.example.com/hq', ['db.example.com 5432 TLS']],
    ['postgres://db.example.com:5433/hq', ['db.example.com 5433 TLS']],
    ['postgres://db.example.com:/hq', ['db.example.com 5432 TLS']],
    ['postgres://db.example.com', ['db.example.com 5432 TLS']],
    ['postgres://10.1.2.3/hq', ['10.1.2.3 5432 TLS']],
    // Several: the first that can write is taken.
    ['postgres://h1:5433,h2/hq', ['h1 5433 TLS', 'h2 5432 TLS']],
    ['postgres://u:p@h1,[2001:db8::1]:6543,h3/hq', ['h1 5432 TLS', '2001:db8::1 6543 TLS', 'h3 5432 TLS']],
    ['postgres://localhost,db.example.com/hq', ['localhost 5432', 'db.example.com 5432 TLS']],
    // This machine itself.
    ['postgres:///hq', ['localhost 5432']],
    ['postgres://', ['localhost 5432']],
    ['postgres://:5433/hq', ['localhost 5433']],
    ['postgres://LOCALHOST/hq', ['LOCALHOST 5432']],
    ['postgres://127.0.0.2/hq', ['127.0.0.2 5432']],
    ['postgres://[::1]:5433/hq', ['::1 5433']],
    // What only looks like it.
    ['postgres://localhost.example/hq', ['localhost.example 5432 TLS']],
    ['postgres://127.0.0.1.example/hq', ['127.0.0.1.example 5432 TLS']],
    ['postgres://0.0.0.0/hq', ['0.0.0.0 5432 TLS']],
    ['postgres://[::ffff:127.0.0.1]/hq', ['::ffff:127.0.0.1 5432 TLS']],
    // Sockets.
    ['postgres:///hq?host=/run/postgresql', ['/run/postgresql 5432']],
    ['postgres:///hq?host=/run/postgresql&port=5433', ['/run/postgresql 5433']],
    ['postgres://u@%2Frun%2Fpostgresql/hq', ['/run/postgresql 5432']],
    ['postgres://u@localhost:5433/hq?host=%2Frun%2Fpg', ['/run/pg 5433']],
    // Lists, as libpq's own parameters are.
    ['postgres:///hq?host=h1,h2&port=1,2', ['h1 1 TLS', 'h2 2 TLS']],
    ['postgres:///hq?host=h1,h2&port=5433', ['h1 5433 TLS', 'h2 5433 TLS']],
    ['postgres:///hq?host=h1,h2&port=,2', ['h1 5432 TLS', 'h2 2 TLS']],
    ['postgres://h1,h2/hq?target_session_attrs=read-write', ['h1 5432 TLS', 'h2 5432 TLS']],
    ['postgres://h1,h2/hq?target_session_attrs=primary', ['h1 5432 TLS', 'h2 5432 TLS']],
  ])('the hosts of a store’s URL are read from %s', (text, hosts) => {
    expect(hostsOf(text)).toEqual(hosts)
  })

  it.each<[text: string, env: Record<string, string>, hosts: string[]]>([
    ['postgres:///hq', { PGHOST: 'h1' }, ['h1 5432 TLS']],
    ['postgres:///hq', { PGHOST: 'h1,h2', PGPORT: '1,2' }, ['h1 1 TLS', 'h2 2 TLS']],
    ['postgres:///hq', { PGHOST: '/run/postgresql', PGPORT: '5433' }, ['/run/postgresql 5433']],
    ['postgres:///hq', { PGHOST: '::1' }, ['::1 5432']],
    ['postgres://h1/hq', { PGHOST: 'h2', PGPORT: '5433' }, ['h1 5433 TLS']],
    ['postgres://h1:5432/hq', { PGPORT: '5433' }, ['h1 5432 TLS']],
    ['postgres://h1,h2/hq', { PGPORT: '5433' }, ['h1 5433 TLS', 'h2 5433 TLS']],
    ['postgres://h1,h2:1/hq', { PGPORT: '5433' }, ['h1 5432 TLS', 'h2 1 TLS']],
    ['postgres://h1/hq', { PGPORT: '' }, ['h1 5432 TLS']],
  ])(
    'the hosts of a store’s URL come from variables where it leaves them out: %s and %j',
    (text, env, hosts) => {
      expect(hostsOf(text, env)).toEqual(hosts)
    },
  )

  it.each([
    ['postgres://h1,,h2/hq', 'has a host or a port that cannot be read'],
    ['postgres://h1:x/hq', 'has a host or a port that cannot be read'],
    ['postgres://h1:5432:1/hq', 'has a host or a port that cannot be read'],
    ['postgres://[::1/hq', 'has a host or a port that cannot be read'],
    ['postgres://::1/hq', 'has a host or a port that cannot be read'],
    [`postgres://u:p@${CANARY}@h1/hq`, 'has a host or a port that cannot be read'],
    // A character that ends the password early leaves its rest to the database or to the parameters.
    [`postgres://u:pa/${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://u:12/${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://u:12@h2/${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://u:12@h2?user=${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://u:12@h2?sekret@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://us/er:${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    [`postgres://u:12#/${CANARY}@h1/hq`, 'has an @ behind its hosts'],
    ['postgres://h1:0/hq', 'must name ports between 1 and 65535'],
    ['postgres://h1:65536/hq', 'must name ports between 1 and 65535'],
    ['postgres:///hq?port=1e3', 'port must name ports between 1 and 65535'],
    ['postgres:///hq?host=h1,h2&port=1,2,3', 'port must name one port, or one for each host'],
    ['postgres:///hq?host=h1,,h2', 'host has a host that cannot be read'],
    ['postgres:///hq?host=a%40b', 'host has a host that cannot be read'],
  ])('the hosts of a store’s URL are refused in %s', async (text, message) => {
    const error = await refusal(text)
    expect(error.message).toContain(URL_SETTING.where)
    expect(error.message.endsWith(message)).toBe(true)
    expect(words(error)).not.toContain(CANARY)
  })

  it('the hosts of a store’s URL are refused with what to write instead', async () => {
    expect((await refusal(`postgres://u:pa/${CANARY}@h1/hq`)).hint).toBe(
      'in a user name or a password write / as %2F, : as %3A, @ as %40, ? as %3F and % as %25',
    )
  })

  it('a variable that cannot be read is named, not the URL', async () => {
    expect((await refusal('postgres:///hq', { PGPORT: '0' })).message).toBe(
      'PGPORT must name ports between 1 and 65535',
    )
    expect((await refusal('postgres:///hq', { PGHOST: 'a,' })).message).toBe(
      'PGHOST has a host that cannot be read',
    )
  })
})

describe('the user, the password and the database', () => {
  it.each<
    [text: string, env: Record<string, string>, found: [string | null, string | undefined, string | null]]
  >([
    ['postgres://hq:s3cret@h/db', {}, ['hq', 's3cret', 'db']],
    ['postgres://hq@h/db', {}, ['hq', undefined, 'db']],
    ['postgres://h', {}, [null, undefined, null]],
    ['postgres://:s3cret@h/', { PGUSER: 'env', PGDATABASE: 'envdb' }, ['env', 's3cret', 'envdb']],
    ['postgres://hq@h/db', { PGUSER: 'env', PGDATABASE: 'envdb' }, ['hq', undefined, 'db']],
    ['postgres://h/db?user=q&dbname=other', {}, ['q', undefined, 'other']],
    ['postgres://a%40b:p%2F%3A%25%20@h/d%2Fb', {}, ['a@b', 'p/:% ', 'd/b']],
    // libpq takes these as they are.
    ['postgres://u:p:q?r#s+t@h/db', {}, ['u', 'p:q?r#s+t', 'db']],
    ['postgres://h/db?user=a+b', {}, ['a+b', undefined, 'db']],
    ['postgres://u:%C3%BC@h/db', {}, ['u', 'ü', 'db']],
    ['postgres://u:@h/db', {}, ['u', '', 'db']],
  ])('the user, the password and the database are read from %s and %j', (text, env, found) => {
    const { user, password, database } = read(text, env)
    expect([user, password?.text, database]).toEqual(found)
  })

  it('the user, the password and the database are read as they were before they were encoded', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((one) => !/[\x00-\x1f\x7f-\x9f]/.test(one))
    fc.assert(
      fc.property(text, text, text, fc.domain(), (user, password, database, host) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent)
        const found = read(`postgres://${u}:${p}@${host}/${d}`)
        expect(found).toMatchObject({ user, database, password: { text: password }, hosts: [{ name: host }] })
        // And what messages show leads to the same database, without the password.
        const again = read(found.display)
        expect(again).toMatchObject({ user, database, password: undefined, hosts: found.hosts })
        expect(again.display).toBe(found.display)
      }),
    )
  })

  it('a password that is not encoded is read whole or refused, and shown by nothing', () => {
    const part = fc.constantFrom('@', ':', '/', '?', '#', '&', '=', ',', '[', ']', '12', 'user=', CANARY)
    const text = fc.array(part, { maxLength: 8 }).map((parts) => [...parts, CANARY].join(''))
    fc.assert(
      fc.property(text, fc.constantFrom('u', 'u/v', 'u@v', 'u:v', 'u?v'), (password, user) => {
        try {
          const found = read(`postgres://${user}:${password}@h1/db`)
          expect(found).toMatchObject({ hosts: [{ name: 'h1' }], database: 'db' })
          expect(found.password?.text).toMatch(new RegExp(`${CANARY}$`))
          expect(found.display).not.toContain(CANARY)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigInvalid)
          expect(words(error)).not.toContain(CANARY)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['postgres://u:%zz@h/db', 'has a % that encodes nothing'],
    ['postgres://u:100%@h/db', 'has a % that encodes nothing'],
    ['postgres://u:%FF@h/db', 'has a % that encodes nothing'],
    ['postgres://u:%00@h/db', 'holds a control character'],
    ['postgres://u%0A@h/db', 'holds a control character'],
  ])('the user, the password and the database are refused in %s', async (text, message) => {
    expect((await refusal(text)).message).toBe(`${URL_SETTING.where} ${message}`)
  })
})

describe('what messages show of a store', () => {
  it.each<[text: string, shown: string, env?: Record<string, string>]>([
    [`postgresql://hq:${CANARY}@db.example.com:5432/hq`, 'postgres://hq@db.example.com/hq'],
    [`postgres://hq:${CANARY}@h1:1,[::1]/hq?sslmode=verify-full`, 'postgres://hq@h1:1,[::1]/hq'],
    ['postgres:///hq', 'postgres://localhost/hq'],
    ['postgres:///hq', 'postgres://u@h1:5433/hq', { PGHOST: 'h1', PGPORT: '5433', PGUSER: 'u' }],
    ['postgres://h', 'postgres://h/'],
    ['postgres:///hq?host=/run/pg&port=5433', 'postgres:///hq?host=/run/pg&port=5433'],
    ['postgres://u@/hq?host=/run/a,/run/b', 'postgres://u@/hq?host=/run/a,/run/b'],
  ])('%s is shown as %s', (text, shown, env = {}) => {
    expect(read(text, env).display).toBe(shown)
  })
})

describe('TLS to the hosts of a store', () => {
  it.each<[text: string, hosts: string[], env?: Record<string, string>]>([
    ['postgres://db/hq?sslmode=verify-full', ['db 5432 TLS']],
    ['postgres://localhost/hq?sslmode=verify-full', ['localhost 5432 TLS']],
    ['postgres://localhost/hq?sslrootcert=ca.pem', ['localhost 5432 TLS']],
    ['postgres://localhost/hq?sslmode=disable', ['localhost 5432']],
    ['postgres://localhost/hq?sslmode=disable&sslrootcert=ca.pem', ['localhost 5432']],
    ['postgres:///hq?host=/run/pg&sslmode=verify-full', ['/run/pg 5432']],
    ['postgres:///hq?host=/run/pg&sslrootcert=ca.pem', ['/run/pg 5432']],
    ['postgres:///hq?host=/run/pg&sslmode=disable', ['/run/pg 5432']],
    ['postgres://localhost/hq', ['localhost 5432 TLS'], { PGSSLMODE: 'verify-full' }],
    // A file that every program of this machine is told of asks for nothing.
    ['postgres://localhost/hq', ['localhost 5432'], { PGSSLROOTCERT: 'ca.pem' }],
    ['postgres://db/hq?sslmode=verify-full', ['db 5432 TLS'], { PGSSLMODE: 'disable' }],
  ])('TLS to the hosts of a store is as %s says, and no weaker: %j', (text, hosts, env = {}) => {
    expect(hostsOf(text, env)).toEqual(hosts)
  })

  const WEAK = 'must be verify-full, because every other mode connects to a server without knowing who it is'
  it.each<[text: string, message: string, env?: Record<string, string>]>([
    ...['require', 'prefer', 'allow', 'verify-ca', 'no-verify', 'VERIFY-FULL', CANARY].map(
      (mode): [string, string] => [
        `postgres://db/hq?sslmode=${mode}`,
        `${URL_SETTING.where}: sslmode ${WEAK}`,
      ],
    ),
    ['postgres://localhost/hq?sslmode=require', `${URL_SETTING.where}: sslmode ${WEAK}`],
    ['postgres://db/hq', `PGSSLMODE ${WEAK}`, { PGSSLMODE: 'require' }],
    [
      'postgres://db/hq?sslmode=disable',
      `${URL_SETTING.where}: sslmode is disable, which is only for this machine itself (localhost, 127.…, ::1 or a socket): it would show the tokens to the network`,
    ],
    [
      'postgres://localhost,db/hq?sslmode=disable',
      `${URL_SETTING.where}: sslmode is disable, which is only for this machine itself (localhost, 127.…, ::1 or a socket): it would show the tokens to the network`,
    ],
    ['postgres://db/hq?sslcert=c.pem', `${URL_SETTING.where}: sslcert is given alone`],
    ['postgres://db/hq?sslkey=c.key', `${URL_SETTING.where}: sslkey is given alone`],
    ['postgres://db/hq', 'PGSSLKEY is given alone', { PGSSLKEY: 'c.key' }],
  ])('TLS to the hosts of a store refuses %s', async (text, message, env = {}) => {
    const error = await refusal(text, env)
    expect(error.message).toBe(message)
    expect(words(error)).not.toContain(CANARY)
  })

  it('the files of TLS are those of the URL, then those of the variables', () => {
    const env = { PGSSLROOTCERT: 'env.pem', PGSSLCERT: 'env.crt', PGSSLKEY: 'env.key' }
    const { sslrootcert, sslcert, sslkey } = read('postgres://db/hq?sslrootcert=url.pem', env).files
    expect(sslrootcert).toMatchObject({ text: 'url.pem', folder: '/etc/x' })
    expect([sslcert, sslkey]).toMatchObject([
      { text: 'env.crt', where: 'PGSSLCERT', folder: '.' },
      { text: 'env.key', where: 'PGSSLKEY', folder: '.' },
    ])
  })
})

describe('a store’s URL', () => {
  it.each([
    'db.example.com/hq',
    'mysql://db/hq',
    'jdbc:postgresql://db/hq',
    'POSTGRES://db/hq',
    'postgres:/db',
    'host=db dbname=hq',
    CANARY,
  ])('a store’s URL is refused where it is none: %s', async (text) => {
    const error = await refusal(text)
    expect(error.message).toBe(
      `${URL_SETTING.where} must be the URL of a PostgreSQL database such as postgres://USER@HOST/DATABASE`,
    )
    expect(words(error)).not.toContain(CANARY)
  })

  it.each([
    ['sslmod=verify-full', 'has the parameter sslmod, which hq-token does not know', 'did you mean sslmode?'],
    [
      'sslrootcrt=x',
      'has the parameter sslrootcrt, which hq-token does not know',
      'did you mean sslrootcert?',
    ],
    [
      'channel_binding=require',
      'has the parameter channel_binding, which hq-token does not know',
      'the parameters are host, port, dbname, user, sslmode, sslrootcert, sslcert, sslkey, target_session_attrs',
    ],
    ['sslmode', 'has the parameter sslmode without a value', undefined],
    ['sslmode=', 'has the parameter sslmode without a value', undefined],
    ['user=a&user=b', 'has the parameter user twice', undefined],
    ['__proto__=x', 'has the parameter __proto__, which hq-token does not know', undefined],
    ['user=a&', 'has a parameter, which hq-token does not know', undefined],
    [`${CANARY}=x`, 'has a parameter, which hq-token does not know', undefined],
    [
      `password=${CANARY}`,
      'has a password behind its ?',
      'put it into url_password_file, or before the host: USER:PASSWORD@HOST',
    ],
    [
      'target_session_attrs=any',
      ': target_session_attrs must be read-write: nothing can be saved on a replica',
      undefined,
    ],
  ])('a store’s URL is refused with ?%s', async (query, message, hint) => {
    const error = await refusal(`postgres://db/hq?${query}`)
    expect(error.message).toContain(message)
    if (hint !== undefined) expect(error.hint).toBe(hint)
    expect(words(error)).not.toContain(CANARY)
  })

  it('a store’s URL of whatever text is read or refused, and never repeated', () => {
    const part = fc.constantFrom(
      'postgres://',
      '@',
      ':',
      '/',
      '?',
      '&',
      '=',
      ',',
      '[',
      ']',
      '%',
      '%41',
      'host',
      'h',
    )
    const text = fc.array(fc.oneof(part, fc.string({ maxLength: 3 }))).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (tail) => {
        try {
          expect(read(`postgres://u:${CANARY}${tail}`).display).not.toContain(CANARY)
        } catch (error) {
          expect(words(error)).not.toContain(CANARY)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
