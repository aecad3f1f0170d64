// Puts the guard's token on undici's requests to one origin. Imports no code of undici, so that it fits the
// caller's copy.
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ConfigInvalid } from '../core/errors.js'
import type { Secret } from '../core/secret.js'
import { hasAuthorization, withAuthorization } from './headers.js'
import { isRefusal } from './refusal.js'
import { Reopened, unlessBroken } from './body.js'
import { originFor, originOf } from './origin.js'
import { anotherToken, Tokens, type TokenSource } from './tokens.js'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController
type Fields = Parameters<NonNullable<Handler['onResponseStart']>>[2]
type RawFields = NonNullable<Controller['rawHeaders']> | null

/** Which requests carry the token. */
export interface BearerOptions {
  /** The origin whose requests carry the token: any URL of it. Default: the guard's `apiUrl`. */
  readonly origin?: string | URL
  /**
   * The dispatcher knows one origin, and it is this one: a `Client` or `Pool` of it. Then requests that name
   * no origin carry the token too; by default they are refused. Default: false.
   */
  readonly singleOrigin?: boolean
}

/**
 * An interceptor for `dispatcher.compose(...)`. It names no types of undici's, so that it fits whichever copy you
 * have.
 *
 * @typeParam Dispatch A dispatcher's `dispatch`.
 */
export type Interceptor = <Dispatch extends (options: never, handler: never) => boolean>(
  dispatch: Dispatch,
) => Dispatch

const NOWHERE = 'the request names no origin, and the token is for one origin only'
const NAME_IT =
  'give the request an origin; or, for a Client or Pool of one origin, give bearer { singleOrigin: true }'

/**
 * An interceptor for undici 7 and 8 that adds the guard's token to requests to one origin. Requests elsewhere,
 * redirects included, and those with an `Authorization` of their own go as they are.
 *
 * It goes by the origin that a request names, and so must what sends the request. A `Client` or `Pool` does not:
 * it sends to its own origin whatever the request names. Never compose one of another host with it. A
 * request that names no origin fails with `ConfigInvalid`, unless `singleOrigin` says where it goes.
 *
 * When interceptors are composed together, a later one sees the request first and the answer last. This
 * one must see the origin that was asked for (so `dns` comes before it) and the 401 itself (`responseError`
 * after it). Await your requests before you close the dispatcher, which does not know of those that wait
 * for the guard: they fail with undici's `UND_ERR_DESTROYED` or `UND_ERR_CLOSED`.
 *
 * When the API refuses the token (401, or 403 other than `insufficient_scope`), the guard is asked for
 * another, and the request is repeated once if its body can be sent again: none, a string, bytes, `Blob`,
 * `FormData`; not a stream, nor an iterable. Under a `fetch` that is only a request without a body: it
 * makes an iterable of any; use `tokenFetch` there. A request fails with what `guard.token` throws.
 *
 * @throws {ConfigInvalid} where nothing says which origin the token is for.
 * @see RFC 6750 sections 2.1 and 3.1
 * @example
 * const agent = new Agent().compose(bearer(await openGuard()), interceptors.redirect({ maxRedirections: 5 }))
 * const { body } = await agent.request({ origin: 'https://acme.highq.com', path: '/acme/api/1/sites', method: 'GET' })
 */
export function bearer(
  guard: TokenSource,
  { singleOrigin = false, ...options }: BearerOptions = {},
): Interceptor {
  const origin = originFor(guard, options.origin)
  // Remember the spelling, because reading a URL takes longer than the rest, and a program mostly writes it one
  // way.
  let spelling = origin
  const isOurs = (asked: string | URL): boolean => {
    if (asked === spelling) return true
    if (originOf(asked) !== origin) return false
    // Only a string: a URL object may be changed later.
    if (typeof asked === 'string') spelling = asked
    return true
  }
  const tokens = new Tokens(guard)
  const intercept = (dispatch: Dispatcher.Dispatch): Dispatcher.Dispatch => {
    const way: Way = { guard, tokens, origin, dispatch }
    return (request, handler) => {
      // This is a handler of Node's own fetch over undici 8: undici says what is wrong with it, and we could report
      // nothing to it.
      if (typeof handler.onRequestStart !== 'function') return dispatch(request, handler)
      if (hasAuthorization(request.headers)) return dispatch(request, handler)
      if (!request.origin && !singleOrigin) throw new ConfigInvalid(NOWHERE, { hint: NAME_IT })
      if (request.origin && !isOurs(request.origin)) return dispatch(request, handler)
      new Call(way, request, handler).begin()
      return true
    }
  }
  return intercept as unknown as Interceptor
}

/** The parts that all requests of an interceptor share. */
interface Way {
  readonly guard: TokenSource
  readonly tokens: Tokens
  readonly origin: string
  readonly dispatch: Dispatcher.Dispatch
}

/**
 * One request as its caller sees it, however often it is sent. It is the caller's controller from before there is a
 * token, so that the caller can abort at any time.
 */
class Call implements Controller {
  readonly #way: Way
  readonly #request: Options
  readonly #handler: Handler
  /** Handed out at once, and filled when the request starts: a redirect writes its history here. */
  readonly #context = {}
  #attempt: Attempt | undefined
  #isOver = false
  #isPaused = false
  #reason: Error | null = null

  constructor(way: Way, request: Options, handler: Handler) {
    this.#way = way
    this.#request = request
    this.#handler = handler
  }

  get aborted(): boolean {
    return this.#reason !== null
  }

  get paused(): boolean {
    return this.#isPaused
  }

  get reason(): Error | null {
    return this.#reason
  }

  get rawHeaders(): RawFields {
    return this.#attempt?.controller?.rawHeaders ?? null
  }

  get rawTrailers(): RawFields {
    return this.#attempt?.controller?.rawTrailers ?? null
  }

  pause(): void {
    this.#isPaused = true
    this.#attempt?.controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#attempt?.isHeld === false) this.#attempt.controller?.resume()
  }

  abort(reason?: Error): void {
    if (this.#isOver || this.aborted) return
    this.#reason = reason ?? new DOMException('This operation was aborted', 'AbortError')
    const { controller, isHeld = true } = this.#attempt ?? {}
    controller?.abort(this.#reason)
    // If no attempt is under way, nothing else will report the end.
    if (controller === undefined || isHeld) this.#fail(this.#reason)
  }

  /** Sends the request before it returns, and without a promise, if the token is known. */
  begin(): void {
    try {
      this.#handler.onRequestStart?.(this, this.#context)
      if (this.#isOver) return
      const token = this.#way.tokens.next()
      if (token instanceof Promise) this.#orFail(this.#sendWith(token))
      else this.#send(token, false)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** An attempt is about to be sent. A redirect or a retry below it calls this again for each of its own. */
  starts(controller: Controller, context: unknown): void {
    Object.assign(this.#context, context)
    if (this.#reason !== null) controller.abort(this.#reason)
    else if (this.#isPaused) controller.pause()
  }

  /** @returns Whether the answer has to wait for the guard: `release` or `drop` follows. */
  weighs(attempt: Attempt, status: number, fields: Fields): boolean {
    const { isRepeat } = attempt
    // Nearly all answers end here.
    if (status < 400 && !isRepeat) return false
    const challenge = [fields['www-authenticate'] ?? []].flat().join(', ')
    const isRefused = isRefusal(status, challenge) && attempt.isAnsweredBy(this.#way.origin)
    const isNews = isRepeat ? !isRefused && status >= 200 : isRefused
    if (isNews) this.#orFail(this.#tellGuard(attempt))
    return isNews
  }

  /** Passes an event to the caller; after the last event it passes none. */
  passes(tell: Tell, isLast: boolean): void {
    if (this.#isOver) return
    tell(this.#handler, this)
    // Set it after the call, because a handler that throws must hear of its error.
    if (isLast) this.#isOver = true
  }

  #orFail(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#fail(error as Error)
    })
  }

  async #sendWith(token: Promise<Secret>): Promise<void> {
    this.#send(await unlessBroken(this.#request.body, token), false)
  }

  /** The guard hears how a token fared; then the answer is passed on, or the request is repeated. */
  async #tellGuard(attempt: Attempt): Promise<void> {
    const { token, isRepeat } = attempt
    const { guard } = this.#way
    const another = isRepeat ? undefined : await anotherToken(guard, token, this.#request.body)
    if (isRepeat) await guard.accepted(token)
    if (this.#isOver) return
    if (another === undefined) attempt.release()
    else {
      attempt.drop()
      this.#send(another, true)
    }
  }

  #send(token: Secret, isRepeat: boolean): void {
    if (this.#isOver) return
    const request = this.#request
    this.#attempt = new Attempt(this, token, isRepeat)
    const { body } = request
    const headers = withAuthorization(request.headers, this.#way.tokens.fieldOf(token))
    // `Object.assign`, because V8 takes five times as long for a spread that adds a property.
    const sent = Object.assign({}, request, { headers })
    if (body instanceof Reopened) sent.body = body.open() as NonNullable<Options['body']>
    this.#way.dispatch(sent, this.#attempt)
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#attempt?.drop()
    this.#handler.onResponseError?.(this, error)
  }
}

type Tell = (handler: Handler, controller: Controller) => void

/**
 * Bytes of a refused answer that are read so that its connection can serve on. A longer answer costs the
 * connection.
 */
const DROPPED = 64 * 1024

/** One request with one token. Its events are passed to the caller, held back, or dropped. */
class Attempt implements Handler {
  readonly token: Secret
  readonly isRepeat: boolean
  readonly #call: Call
  #controller: Controller | undefined
  #history: readonly URL[] | undefined
  #held: (() => void)[] | undefined
  #dropped: number | undefined

  constructor(call: Call, token: Secret, isRepeat: boolean) {
    this.#call = call
    this.token = token
    this.isRepeat = isRepeat
  }

  get controller(): Controller | undefined {
    return this.#controller
  }

  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /**
   * False if a redirect below has left the origin: that takes the token off for good, so the answer says nothing of
   * it.
   */
  isAnsweredBy(origin: string): boolean {
    return this.#history?.every((visited) => visited.origin === origin) ?? true
  }

  onRequestStart(controller: Controller, context: { readonly history?: readonly URL[] } | undefined): void {
    this.#controller = controller
    this.#history = context?.history
    if (this.#dropped === undefined) this.#call.starts(controller, context)
    else controller.abort(new Error('nobody waits for this request any more'))
  }

  onRequestUpgrade(_: Controller, status: number, fields: Fields, socket: Duplex): void {
    this.#tell((handler, controller) => handler.onRequestUpgrade?.(controller, status, fields, socket), true)
  }

  onResponseStart(controller: Controller, status: number, fields: Fields, message?: string): void {
    if (this.#dropped === undefined && this.#call.weighs(this, status, fields)) {
      this.#held = []
      controller.pause()
    }
    this.#tell((handler, caller) => handler.onResponseStart?.(caller, status, fields, message))
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#tell((handler, caller) => handler.onResponseData?.(caller, chunk))
    if (this.#dropped !== undefined && (this.#dropped += chunk.byteLength) > DROPPED)
      controller.abort(new Error('a refused answer is too long to be read'))
  }

  onResponseEnd(_: Controller, trailers: Fields): void {
    this.#tell((handler, caller) => handler.onResponseEnd?.(caller, trailers), true)
  }

  onResponseError(_: Controller, error: Error): void {
    this.#tell((handler, caller) => handler.onResponseError?.(caller, error), true)
  }

  release(): void {
    // Pass all: a dispatcher that cannot pause (a mocked one, for example) has delivered more than the beginning.
    for (let pass = this.#held?.shift(); pass; pass = this.#held?.shift()) pass()
    this.#held = undefined
    if (!this.#call.paused) this.#controller?.resume()
  }

  drop(): void {
    this.#dropped ??= 0
    this.#held = undefined
    this.#controller?.resume()
  }

  #tell(tell: Tell, isLast = false): void {
    if (this.#dropped !== undefined) return
    if (this.#held === undefined) this.#call.passes(tell, isLast)
    else
      this.#held.push(() => {
        this.#call.passes(tell, isLast)
      })
  }
}
