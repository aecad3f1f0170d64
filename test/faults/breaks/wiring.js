// The breaks of `src/wiring`, `src/bearer` and `src/schemas`: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'a server that nobody checks is asked',
    file: 'src/wiring/open.ts',
    find: "if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')",
    replace: "if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === 'no')",
    by: tests('faults/hostile', 'NODE_TLS_REJECT_UNAUTHORIZED'),
  },
  {
    name: 'what the issuer said is not kept',
    file: 'src/wiring/endpoints.ts',
    find: '    await keep?.(found)\n',
    replace: '',
    by: tests('cli/issuer', 'by the first refresh'),
  },
  {
    name: 'a process stops with the lock in its hand',
    file: 'src/wiring/open.ts',
    find: '    unstopped(async () => {\n',
    replace: '    Promise.resolve(unstopped).then(async () => {\n',
    by: tests('faults/signals', 'waits for the save and the lock'),
  },
  {
    name: 'exec hands the client’s secret on',
    file: 'src/wiring/open.ts',
    find: '    childEnv: () => withoutSecretVariables(env),\n',
    replace: '    childEnv: () => (withoutSecretVariables(env), env),\n',
    by: tests('e2e/exec', 'environment that is handed on'),
  },
  {
    name: 'headers that were typed follow a redirect elsewhere',
    file: 'src/bearer/api-call.ts',
    find: '      awayWith(awayHeaders),\n',
    replace: '      (dispatch) => (void [awayWith, awayHeaders], dispatch),\n',
    by: tests('cli/api-redirect', 'none of the headers'),
  },
  {
    name: 'a body follows a redirect elsewhere',
    file: 'src/bearer/api-call.ts',
    find: ' && body === null\n',
    replace: '\n',
    by: tests('cli/api-redirect', 'of a GET that has a body'),
  },
  {
    name: 'the library warns in a server’s own characters',
    file: 'src/wiring/open-guard.ts',
    find: 'process.emitWarning(printable(',
    replace: 'process.emitWarning(String(',
    by: tests('faults/hostile', 'warnings of the library'),
  },
  {
    name: 'a logout tells another server where the configured one cannot be read',
    file: 'src/wiring/open.ts',
    find: '  if (wrong !== undefined) throw wrong.error\n',
    replace: '  void wrong\n',
    by: tests('cli/newcomer', 'it is not told to another one'),
  },
  {
    name: 'schemas: keys that come later are refused',
    file: 'src/schemas/status.ts',
    find: 'export const statusSchema = z\n  .object({\n',
    replace: 'export const statusSchema = z\n  .strictObject({\n',
    by: tests('schemas/published', 'may meet keys that come later'),
  },
  {
    name: 'schemas: a refresh loads zod',
    file: 'src/wiring/endpoints.ts',
    find: "import type { Network } from '../network/network.js'\n",
    replace: "import type { Network } from '../network/network.js'\nimport '../oauth/metadata.js'\n",
    by: tests('bench/warm', 'loads no package'),
  },
  {
    name: 'an output takes the place of a file of the store that another name leads to',
    file: 'src/wiring/own-files.ts',
    find: '...(stats === undefined ? [] : [`${stats.dev}:${stats.ino}`]),',
    replace: '...(stats === undefined ? [] : []),',
    by: tests('e2e/own-files', 'get --outfile replaces none'),
  },
  {
    name: 'a warm answer takes the place of the store',
    file: 'src/cli/run-plain.ts',
    find: "    if (namesFile(flags.outfile)) assertNotOwnOf(flags.outfile, '--outfile', options, world)\n",
    replace: '    if (namesFile(flags.outfile)) void assertNotOwnOf\n    void options\n',
    by: tests('e2e/own-files', 'get --outfile replaces none'),
  },
]
