// The meaning of each exit code. The codes themselves are in `core/errors.ts`.
import { Exit, type ExitCode } from '../core/errors.js'

/** The meaning of an exit code, and what a script should do. The help and the docs are made from it. */
export const exitCodes: readonly { readonly exit: ExitCode; readonly when: string; readonly then: string }[] =
  [
    { exit: Exit.ok, when: 'done', then: 'go on' },
    { exit: Exit.bug, when: 'a bug in hq-token', then: 'report it' },
    { exit: Exit.usage, when: 'wrong usage', then: 'fix the command' },
    {
      exit: Exit.login,
      when: 'a person must log in: no token set, or the server refused the refresh token (or has answered nothing but a bare 400 or 401 for a day, with no good access token left)',
      then: 'page a person',
    },
    { exit: Exit.api, when: '`api`: the API answered with an error', then: 'look at what it said' },
    { exit: Exit.seed, when: 'the seed file cannot be used', then: 'fix the file' },
    {
      exit: Exit.store,
      when: 'the store, or what the answer is written to, cannot be read or written',
      then: 'look at the disk',
    },
    {
      exit: Exit.later,
      when: 'try again later: the network, the server, an answer that is not the token endpoint’s, the lock',
      then: 'retry',
    },
    {
      exit: Exit.config,
      when: 'the configuration is wrong, the server refused the client, or the store holds another client’s token set',
      then: 'fix the config',
    },
    { exit: Exit.notExecutable, when: '`exec`: the command cannot be executed', then: 'fix the command' },
    { exit: Exit.notFound, when: '`exec`: there is no such command', then: 'fix the command, or PATH' },
  ]

/** The table for the help. */
export const EXIT_CODES = `
Exit codes:
${exitCodes.map(({ exit, when }) => `  ${String(exit).padEnd(3)} ${when.replaceAll('`', '')}`).join('\n')}`
