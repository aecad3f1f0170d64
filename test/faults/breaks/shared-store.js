// The breaks of a shared store's settings (`src/config`) and of the connection to it (`src/store/postgres`): see
// breaks-table.js.
import { tests } from './tests.js'

const URL = 'src/config/store-url.ts'
const SHARED = 'src/config/shared-store.ts'
const CONNECTION = 'src/store/postgres/connection.ts'
const SESSION = 'src/store/postgres/session.ts'
const FAULTS = 'src/store/postgres/faults.ts'

export default [
  {
    name: 'shared store: no TLS unless the URL asks for it',
    file: URL,
    find: 'if (mode === undefined) return !isHere || (isTlsMeant && !isSocket)',
    replace: 'if (mode === undefined) return isTlsMeant && !isSocket && !isHere',
    by: tests('store/postgres/connection-tls', 'told nothing where it is another machine'),
  },
  {
    name: 'shared store: any sslmode is taken for verify-full',
    file: URL,
    find: "if (mode.text === 'verify-full') return !isSocket",
    replace: "if (mode.text !== 'disable') return !isSocket",
    by: tests('config/store-url', 'TLS to the hosts of a store refuses'),
  },
  {
    name: 'shared store: sslmode=disable to any machine',
    file: URL,
    find: "if (mode.text === 'disable' && isHere) return false",
    replace: "if (mode.text === 'disable') return isSocket && !isHere",
    by: tests('config/store-url', 'TLS to the hosts of a store refuses'),
  },
  {
    name: 'shared store: a host that looks like this machine is taken for it',
    file: URL,
    find: "isLoopback(name.includes(':') ? `[${name}]` : name.toLowerCase())",
    replace: '/^(?:localhost|127\\.|::)/i.test(name) || isLoopback(name)',
    by: tests('config/store-url', 'are read from'),
  },
  {
    name: 'shared store: messages show the password',
    file: URL,
    find: 'display: withoutPassword(read),',
    replace: 'display: withoutPassword(read) === url.text ? url.text : url.text,',
    by: tests('config/store-url', 'is shown as'),
  },
  {
    name: 'shared store: the end of a password is taken for a database, and shown',
    file: URL,
    find: 'if (/@/.test(database + query))',
    replace: 'if (/@/.test(query))',
    by: tests('config/store-url', 'is not encoded'),
  },
  {
    name: 'shared store: a URL with a password is handed to other programs',
    file: 'src/config/keys.ts',
    find: 'isSecret: /:\\/\\/[^@]*:.*@/s,',
    replace: 'isSecret: /:\\/\\/[^@/]*:[^@/]*@$/,',
    by: tests('config/shared-store', 'handed to other programs'),
  },
  {
    name: 'shared store: a host that has lost its URL uses a store of its own',
    file: SHARED,
    find: '    if (source.moveTo === undefined) refuseAlone(settings)\n',
    replace: '    void refuseAlone\n',
    by: tests('config/shared-store', 'is missed where'),
  },
  {
    name: 'shared store: a lock_wait that no lease can end within',
    file: SHARED,
    find: 'if (wait >= lease + AFTER_LEASE) return',
    replace: 'if (wait >= lease) return',
    by: tests('config/shared-store', 'longer than the lease'),
  },
  {
    name: 'shared store: a profile called default shares the token set of none',
    file: SHARED,
    find: "profile === 'default'",
    replace: "profile === ''",
    by: tests('config/shared-store', 'no profile’s'),
  },
  {
    name: 'shared store: HQ_TOKEN_STORE_NAME names the token set of any profile',
    file: 'src/config/locate.ts',
    find: "typed.profile !== undefined && variable(around.env, 'HQ_TOKEN_STORE_NAME') !== undefined",
    replace: "typed.profile === ''",
    by: tests('config/shared-store', 'every profile that is typed'),
  },
  {
    name: 'shared store: the password is kept for the next connection',
    file: SHARED,
    find: '    password: async ({ name, port }) =>\n      origin === undefined',
    replace:
      '    password: async ({ name, port }) =>\n      origin !== undefined\n        ? ((origin as { read?: Promise<Secret> }).read ??= readSecret(origin))\n        : origin === undefined',
    by: tests('store/postgres/connection', 'for each connection anew'),
  },
  {
    name: 'shared store: a password file that others can read is used',
    file: 'src/config/pgpass.ts',
    find: 'if (exposure(stats).read) throw',
    replace: 'if (exposure(stats).read && stats.size === 0) throw',
    by: tests('config/shared-store', 'others can read it is not used'),
  },
  {
    name: 'shared store: whoever answers is believed to be the server',
    file: SESSION,
    find: 'rejectUnauthorized: true,',
    replace: 'rejectUnauthorized: false,',
    by: tests('store/postgres/connection-tls', 'hears nothing but the wish for TLS'),
  },
  {
    name: 'shared store: pg asks the environment whether there is TLS',
    file: SESSION,
    find: '      ssl: host.isTls && tlsOptions(settings, host),\n',
    replace: '      ...(host.isTls && { ssl: tlsOptions(settings, host) }),\n',
    by: tests('store/postgres/connection', 'variables of other programs'),
  },
  {
    name: 'shared store: an older pg takes a certificate for localhost as one for an address',
    file: SESSION,
    find: '    rejectUnauthorized: true,\n    host: name,\n',
    replace: '    rejectUnauthorized: true,\n',
    by: tests('store/postgres/connection-tls', 'names none to Node'),
  },
  {
    name: 'shared store: the native client is taken, which passes over our TLS',
    file: 'src/store/postgres/pg-package.ts',
    find: "if (process.env['NODE_PG_FORCE_NATIVE'])",
    replace: "if (process.env['NODE_PG_FORCE_NATIVE'] === '')",
    by: tests('store/postgres/pg-package', 'native form'),
  },
  {
    name: 'shared store: values are read by the parsers of the program beside it',
    file: SESSION,
    find: '      types: ownTypes(pg),\n',
    replace: '',
    and: [
      {
        file: SESSION,
        find: "import { ownTypes, type Pg } from './pg-package.js'",
        replace: "import { type Pg } from './pg-package.js'",
      },
    ],
    by: tests('store/postgres/connection', 'whatever parsers'),
  },
  {
    name: 'shared store: an answer that pg does not know ends the program',
    file: SESSION,
    find: '    } catch (error) {\n      stream.destroy(',
    replace: '    } catch (error) {\n      if (error instanceof Error) throw error\n      stream.destroy(',
    by: tests('store/postgres/connection-tls', 'wants Kerberos'),
  },
  {
    name: 'shared store: a session goes on after a failure',
    file: SESSION,
    find: '      this.drop()\n      throw faultOf(error, this.#where)\n',
    replace: '      throw faultOf(error, this.#where)\n',
    by: tests('store/postgres/connection', 'leaves no transaction open'),
  },
  {
    name: 'shared store: an answer is waited for long beyond its limit',
    file: SESSION,
    find: '      }, ms)\n',
    replace: '      }, 110 * ms)\n',
    by: tests('store/postgres/connection', 'that says nothing to a query is given up'),
  },
  {
    name: 'shared store: a replica is as good as its primary',
    file: SESSION,
    find: '  if (isReplica)\n',
    replace: '  if (isReplica && where === "")\n',
    and: [{ file: SESSION, find: '  return isReadOnly\n', replace: '  return isReadOnly && !isReplica\n' }],
    by: tests('store/postgres/connection', 'taken that can write'),
  },
  {
    name: 'shared store: a query whose answer was lost is sent again',
    file: CONNECTION,
    find: 'const result = this.#last.then(async () => (await this.#usable()).query(text, values, timeoutMs))',
    replace:
      'const once = async () => (await this.#usable()).query(text, values, timeoutMs)\n    const result = this.#last.then(() => once().catch(once))',
    by: tests('store/postgres/connection', 'no query is repeated'),
  },
  {
    name: 'shared store: a silent host keeps the others from being tried',
    file: CONNECTION,
    find: 'sleep(NEXT_HOST_MS, undefined, { ref: false })',
    replace: 'sleep(12_000 + NEXT_HOST_MS, undefined, { ref: false })',
    by: tests('store/postgres/connection', 'soon past one that says nothing'),
  },
  {
    name: 'shared store: the error of a bug quotes the value',
    file: FAULTS,
    find: '  if (/^2[23]/.test(state)) return',
    replace: "  if (state === '') return",
    by: tests('store/postgres/connection', 'quotes nothing'),
  },
  {
    name: 'shared store: the error of a server goes on with its details',
    file: FAULTS,
    find: 'Object.assign(new Error(`SQLSTATE ${state}`), { code: state })',
    replace: 'Object.assign(error, { code: state })',
    by: tests('store/postgres/connection', 'quotes nothing'),
  },
  {
    name: 'shared store: too many connections are nobody’s passing trouble',
    file: FAULTS,
    find: 'code: /^53300/,\n    Fault: StoreUnreachable,',
    replace: 'code: /^53300/,\n    Fault: StoreUnusable,',
    by: tests('store/postgres/connection', 'too many'),
  },
  {
    name: 'check: the command for a password is run',
    file: 'src/config/shared-store.ts',
    find: "isPasswordByCommand: origin?.kind === 'command',",
    replace: 'isPasswordByCommand: false,',
    by: tests('e2e/check', 'runs no command for a password'),
  },
]
