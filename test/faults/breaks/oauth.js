// The breaks of `src/oauth`: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'an answer that was cut off is read as a whole one',
    file: 'src/oauth/answer-fields.ts',
    find: 'return whole && (isFramed !== false || !TOKEN_LAST.test(text))',
    replace: 'return whole || isFramed !== false || text !== null',
    by: tests('faults/answers', 'mutated bodies'),
  },
  {
    name: 'the state of an answer is not compared',
    file: 'src/oauth/authorization.ts',
    find: 'states.some((one) => !state.equals(new Secret(one)))',
    replace: "states.some((one) => one === '')",
    and: [
      {
        file: 'src/oauth/authorization.ts',
        find: 'oauth.validateAuthResponse(server, { client_id: clientId }, parameters, state.reveal())',
        replace:
          'oauth.validateAuthResponse(server, { client_id: clientId }, parameters, oauth.skipStateCheck)',
      },
    ],
    by: tests('oauth/authorization', 'is not taken'),
  },
  {
    name: 'what the parser refused is not read',
    file: 'src/oauth/answer.ts',
    find: '  const answer = ordinary(kept)\n',
    replace: '  const answer = kept\n',
    by: tests('network/send-once', 'is over as soon as its length is met'),
  },
  {
    name: 'client_secret_basic encodes what tells nothing',
    file: 'src/oauth/client-authentication.ts',
    find: '.toString().slice(1)\n',
    replace: ".toString().slice(1).replaceAll('-', '%2D')\n",
    by: tests('oauth/client-authentication', 'is the same for servers'),
  },
  {
    name: 'an endpoint is taken as the issuer names it',
    file: 'src/oauth/metadata.ts',
    find: '  const problem = addressProblem(text)\n',
    replace: "  const problem = text === '' ? addressProblem(text) : undefined\n",
    by: tests('cli/issuer', 'is discovered gets no token'),
  },
  {
    name: 'metadata are read for as long as they come',
    file: 'src/oauth/discovery.ts',
    find: 'if (length > MOST_BYTES)',
    replace: 'if (length > 64 * MOST_BYTES)',
    by: tests('oauth/discovery', 'never ends'),
  },
  {
    name: 'metadata are decompressed without a limit',
    file: 'src/oauth/discovery.ts',
    find: '{ maxOutputLength: MOST_BYTES }',
    replace: '{}',
    by: tests('oauth/discovery', 'a bomb'),
  },
  {
    name: 'metadata are waited for at each place anew',
    file: 'src/oauth/discovery.ts',
    find: 'metadata(new URL(issuer), algorithm, dispatcher, over)',
    replace: 'metadata(new URL(issuer), algorithm, dispatcher, AbortSignal.timeout(timeoutMs + 2_000))',
    by: tests('oauth/discovery', 'given up in time'),
  },
  {
    name: 'a form that only the end of the connection ends is whole',
    file: 'src/oauth/answer-fields.ts',
    find: '(isFramed !== false || !TOKEN_LAST.test(text))',
    replace: '(isFramed !== false || text !== null)',
    by: tests('oauth/answer-kinds', 'with the connection'),
  },
  {
    name: 'of two pairs one is taken',
    file: 'src/oauth/answer.ts',
    find: 'if (pair !== undefined && pairs.length === 1)',
    replace: 'if (pair !== undefined)',
    by: tests('oauth/answer-kinds', 'two pairs'),
  },
  {
    name: 'a page with tokens in it is a page',
    file: 'src/oauth/answer.ts',
    find: '  const holdsTokens = pairs.length > 1 || looksLikeTokens(text, answer.status)\n',
    replace:
      '  const holdsTokens = pairs.length > 1 || (looksLikeTokens(text, answer.status) && text === null)\n',
    by: tests('oauth/answer-kinds', 'its bytes stay'),
  },
  {
    name: 'of a parameter that comes twice the last one counts',
    file: 'src/oauth/answer-fields.ts',
    find: 'return more.length === 0 ? first : [first, ...more]',
    replace: 'return more.at(-1) ?? first',
    by: tests('oauth/answer-kinds', 'twice in a form'),
  },
  {
    name: 'an answer that anybody has made up ends the login',
    file: 'src/oauth/redirect-listener.ts',
    find: '      const instead = this.#judge(parameters)\n',
    replace: '      const instead: Page | undefined = undefined\n',
    by: tests('e2e/login-strangers', 'gets the failed page'),
  },
  {
    name: 'silent connections keep the browser out',
    file: 'src/oauth/redirect-listener.ts',
    find: '    if (silent.size > MOST_SILENT) oldest?.destroy()\n',
    replace: '    void [oldest, MOST_SILENT]\n',
    by: tests('oauth/redirect-listener', 'keep no browser out'),
  },
  {
    name: 'bundle: an ES module is required',
    file: 'src/oauth/discovery.ts',
    find: "const loadOAuth = (): Promise<typeof OAuth> => import('oauth4webapi')\n",
    replace:
      "import * as loaded from 'oauth4webapi'\nconst loadOAuth = (): Promise<typeof OAuth> => Promise.resolve(loaded)\n",
    by: tests('cli/issuer', 'as 22.0 is'),
  },
]
