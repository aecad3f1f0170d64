// Logs a person in: by a browser that comes back here, or by an address that the person pastes. Saves nothing
// itself: `Logins` does.
import type { LoginFlags } from './command.js'
import { notConfigured } from '../../../core/unconfigured.js'
import { ConfigInvalid, hinted, LoginRequired, TokenError, UsageError } from '../../../core/errors.js'
import { ANOTHER } from '../../../core/code-exchange.js'
import { waits } from '../../../core/logins.js'
import { rfc3339 } from '../../../core/clock.js'
import { expiresAt } from '../../../core/policy.js'
import type { Secret } from '../../../core/secret.js'
import type { TokenSet } from '../../../core/token-set.js'
import {
  authorizationRequest,
  codeFrom,
  foreignAnswer,
  pasted,
  type AuthorizationOptions,
  type AuthorizationRequest,
} from '../../../oauth/authorization.js'
import { discover } from '../../../oauth/discovery.js'
import { isLoopbackRedirect } from '../../../core/address.js'
import { RedirectListener, type Page } from '../../../oauth/redirect-listener.js'
import type { Session } from '../../session.js'
import { countdown, type Countdown } from './countdown.js'
import { dieBy } from '../../../platform/signals.js'
import { readText } from '../../terminal/input.js'
import { keepAliveCommand } from '../../next-step.js'
import { donePage, elsewherePage, failedPage, takenPage } from './login-pages.js'
import { writeOut } from '../../terminal/output.js'
import { QuestionsBroken, Questions } from '../init/questions.js'

/** A key that only a login or a logout needs. */
type PersonKey = Session['config']['unfit'][number]['name']

const COMPLETE = 'hq-token login --complete -'

/** The command for the second half of this login. */
function completing({ force = false }: LoginFlags): string {
  return force ? 'hq-token login --force --complete -' : COMPLETE
}

/**
 * Begins a grant with a person in a browser.
 *
 * @returns The exit status if the person has broken it off.
 */
export async function login(session: Session, flags: LoginFlags): Promise<number | undefined> {
  try {
    await (flags.complete === undefined ? begun(session, flags) : complete(session, flags.complete, flags))
    return undefined
  } catch (error) {
    if (!(error instanceof QuestionsBroken)) throw error
    if (error.by === 'interrupt') return dieBy('SIGINT')
    throw new UsageError('nothing was pasted', { hint: COMPLETE })
  }
}

async function begun(session: Session, flags: LoginFlags): Promise<void> {
  const { options, redirectUri, begin } = await prepared(session, flags)
  if (!flags.browser)
    return withoutBrowser(session, await begin(await authorizationRequest(options, redirectUri)), flags)
  return withBrowser(session, options, redirectUri, begin, flags)
}

type Begin = (request: AuthorizationRequest) => Promise<AuthorizationRequest>

/** Finds out all that must be known before a person is sent anywhere. */
async function prepared(
  session: Session,
  { force = false }: LoginFlags,
): Promise<{
  options: AuthorizationOptions
  redirectUri: string
  begin: Begin
}> {
  const { config, world, logins } = session
  const { clientId, scope, redirectUri, issuer } = config
  if (config.file === null && clientId === null) throw notConfigured()
  assertFit(config, ['client.redirect_uri', 'client.authorize_url', 'client.scope'])
  if (redirectUri === null)
    throw new ConfigInvalid('redirect_uri is missing: the server sends the browser there after the login', {
      hint: 'set redirect_uri in [client] to that of the registration, such as http://127.0.0.1:8765/callback',
    })
  const { authorizeUrl: authorize, tokenUrl, revocationUrl } = config
  const isComplete = authorize !== null && tokenUrl !== null && revocationUrl !== null
  const agent = await session.agent(isComplete || issuer === null ? null : new URL(issuer))
  const discovered =
    issuer === null || isComplete
      ? undefined
      : await discover(issuer, agent({ connectMs: 10_000, idleMs: 15_000 }), world.clock().now)
  const authorizeUrl = authorize ?? urlOf(discovered?.authorizeUrl) ?? unknownPlace()
  if (clientId === null)
    throw new ConfigInvalid('client_id is missing', {
      hint: 'set client_id in [client] of the configuration',
    })
  return {
    options: { authorizeUrl, clientId, scope, issuer },
    redirectUri,
    begin: async (request) => {
      const before = await logins.begin(request, { discovered, force })
      if (before !== undefined)
        session.voice.tell({
          level: 'warning',
          message: `this login replaces the login begun at ${rfc3339(before.begunAt)}, whose address does not work any more`,
        })
      return request
    },
  }
}

/** @throws {ConfigInvalid} if one of the keys is given and cannot be used */
function assertFit({ unfit }: Session['config'], needed: readonly PersonKey[]): void {
  const wrong = unfit.find(({ name }) => needed.includes(name))
  if (wrong !== undefined) throw wrong.error
}

async function withoutBrowser(
  { world, voice }: Session,
  { url }: AuthorizationRequest,
  flags: LoginFlags,
): Promise<void> {
  voice.tell({
    level: 'info',
    message:
      'open this address in any browser and log in; then copy the address that the browser ends at, whatever its page shows, within 30 minutes',
    hint: completing(flags),
  })
  await writeOut(world.stdout, `${url.href}\n`)
}

async function complete(session: Session, text: string, flags: LoginFlags): Promise<void> {
  const { config, logins } = session
  const { force = false } = flags
  // The redirect URI is in the store. `authorize_url` is needed, because the answer's issuer may be compared with it.
  assertFit(config, ['client.authorize_url'])
  const saved = await logins.takeUp()
  if (saved !== undefined) {
    welcome(session, saved)
    return
  }
  // Check first, so that nobody pastes for nothing.
  const waiting = await logins.waiting({ force })
  const returned = pasted(text === '-' ? await answerFrom(session) : text)
  if (returned === undefined)
    throw new UsageError('this is neither the address that the browser ended at nor a code', {
      hint: `${COMPLETE}, and paste all of the address bar`,
    })
  const [code, state] =
    returned.kind === 'code'
      ? ([returned.code, null] as const)
      : ([await authorizationCodeOf(session, returned.parameters, waiting.state), waiting.state] as const)
  welcome(session, await finished(session, waiting.state, flags, () => logins.finish(code, state, { force })))
}

async function answerFrom({ world }: Session): Promise<string> {
  if (world.stdin.isTTY !== true) return readText(world.stdin, 'an address', COMPLETE)
  const questions = new Questions(world)
  try {
    return await questions.askForPaste('Paste the address that the browser ended at, then Enter: ')
  } finally {
    questions.close()
  }
}

/** If the code was not sent yet, the same answer still works, so the error tells the person to paste it again. */
async function finished(
  { store, world }: Session,
  state: Secret,
  flags: LoginFlags,
  finish: () => Promise<TokenSet>,
): Promise<TokenSet> {
  try {
    return await finish()
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    const waiting = await store.login().catch(() => undefined)
    const isGood = waiting !== undefined && waiting.state.equals(state) && waits(waiting, world.clock().now)
    if (!isGood) throw error
    const again = `the address that the browser shows is still good: ${completing(flags)}`
    throw hinted(error, error.hint === undefined ? again : `${error.hint}; ${again}`)
  }
}

/** The code, if these are the parameters of an answer to the login that waits. */
async function authorizationCodeOf(
  { logins, client }: Session,
  parameters: URLSearchParams,
  state: Secret,
): Promise<Secret> {
  const { clientId, issuer, authorizeUrl } = await client()
  const place = { issuer, authorizeUrl: authorizeUrl ?? unknownPlace() }
  try {
    return await codeFrom(parameters, state, { clientId, ...place })
  } catch (error) {
    // An error that the server answered to this login ends it. No other error does.
    if (foreignAnswer(parameters, state, place) === undefined)
      await logins.giveUp(state).catch(() => undefined)
    throw error
  }
}

async function withBrowser(
  session: Session,
  options: AuthorizationOptions,
  redirectUri: string,
  begin: Begin,
  flags: LoginFlags,
): Promise<void> {
  const { world, voice, logins } = session
  const { timeout, force = false } = flags
  if (!isLoopbackRedirect(new URL(redirectUri)))
    throw new UsageError(
      `the browser will come back to ${new URL(redirectUri).origin}, where this program cannot listen`,
      {
        hint: 'hq-token login --no-browser',
      },
    )
  const listener = await RedirectListener.open(redirectUri, { elsewhere: elsewherePage, taken: takenPage })
  try {
    const request = await begin(await authorizationRequest(options, listener.redirectUri))
    const isOpen = await world.openBrowser(request.url.href, session.childEnv())
    const what = isOpen
      ? 'the browser should show where to log in; if it does not, open this address'
      : `open this address in a browser on this machine (elsewhere: ${voice.typed('hq-token login --no-browser')})`
    // The address stands on a line of its own, so that it can be copied.
    voice.tell({ level: 'info', message: what, address: request.url.href })
    const waiting = countdown(voice.canvas, timeout)
    const strangers = new Strangers(session, options, request.state, waiting)
    const answer = listener.answer((parameters) => strangers.judge(parameters))
    const arrival = await Promise.race([answer, waiting.over]).finally(waiting.end)
    if (arrival === undefined)
      throw new LoginRequired(`nobody finished the login within ${Math.round(timeout)} s`, {
        hint: `hq-token login; or, if the browser has finished since, with the address that it shows: ${completing(flags)}`,
      })
    try {
      const code = await authorizationCodeOf(session, arrival.parameters, request.state)
      const set = await finished(session, request.state, flags, () =>
        logins.finish(code, request.state, { force }),
      )
      welcome(session, set)
      await arrival.show(donePage(set.user))
    } catch (error) {
      const { message, hint } =
        error instanceof TokenError ? error : { message: 'a bug in hq-token', hint: undefined }
      await arrival.show(failedPage(message, hint, voice.typed))
      throw error
    }
  } finally {
    listener.close()
  }
}

/** Turns away answers that are not this login's. Each is shown why, and the person hears of the first. */
class Strangers {
  readonly #session: Session
  readonly #options: AuthorizationOptions
  readonly #state: Secret
  readonly #waiting: Countdown
  #isTold = false

  constructor(session: Session, options: AuthorizationOptions, state: Secret, waiting: Countdown) {
    this.#session = session
    this.#options = options
    this.#state = state
    this.#waiting = waiting
  }

  judge(parameters: URLSearchParams): Page | undefined {
    const why = foreignAnswer(parameters, this.#state, this.#options)
    if (why === undefined) return undefined
    const { voice } = this.#session
    const hint = why.hint === ANOTHER ? WAITS_ON : `${WAITS_ON}; ${why.hint ?? ''}`
    if (!this.#isTold)
      this.#waiting.aside(() => {
        voice.tell({ level: 'warning', message: `an answer was turned away: ${why.message}`, hint })
      })
    this.#isTold = true
    return failedPage(why.message, hint, voice.typed)
  }
}

const WAITS_ON = 'the login still waits: finish it in the window in which it began'

function welcome({ world, voice }: Session, { pair, user }: TokenSet): void {
  voice.tell({
    level: 'info',
    message: `logged in${user === null ? '' : ` as ${user}`}; the access token is good until ${rfc3339(expiresAt(pair, world.clock()))}, and hq-token renews it from here on`,
    hint: keepAliveCommand(world.platform),
  })
}

function unknownPlace(): never {
  throw new ConfigInvalid('the configuration does not say where to log in', {
    hint: 'set instance, or authorize_url, in [client] of the configuration',
  })
}

function urlOf(text: string | null | undefined): URL | null {
  return text === null || text === undefined ? null : new URL(text)
}
