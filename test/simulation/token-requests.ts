// The authorization server as one process reaches it: connecting takes time, the last look is taken when the
// connection stands, and from then on the request or its answer may be lost, be late, or come as half of itself.
import type {
  AuthorizationServer as Port,
  CodeGrant,
  RawAnswer,
  Reading,
  RequestLimits,
} from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import type { AuthorizationServer, Verdict } from './authorization-server.js'
import type { Process } from './host.js'

/** What becomes of one request. */
export type Fate =
  'answered' | 'refused' | 'request lost' | 'answer lost' | 'answer cut' | '500 before' | '500 after' | '503'

export interface Uplink {
  readonly server: AuthorizationServer
  readonly slow: number
  fate(process: Process): Fate
  /** The request leaves now. */
  sent(process: Process, token: string): Sent
}

/** A request that spends a token. */
export interface Sent {
  readonly process: Process
  readonly token: string
  /** Whether its process has an outcome, be it that none came. */
  isOver: boolean
  /** True time at which a pair has come whole. */
  receivedAt: number | undefined
}

const CLIENT = { tokenUrl: 'https://id.example/token', issuer: null, clientId: '1012' }

const NOTHING = {
  ...{ sent: true, status: null, contentType: 'application/json', contentEncoding: null },
  ...{ retryAfter: null, date: null, body: new Uint8Array(), complete: false, failure: null },
} as const

export class TokenRequests implements Port {
  readonly host = 'id.example'
  readonly #process: Process
  readonly #uplink: Uplink

  constructor(process: Process, uplink: Uplink) {
    this.#process = process
    this.#uplink = uplink
  }

  client(): Promise<typeof CLIENT> {
    return Promise.resolve(CLIENT)
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  refresh(token: Secret, limits: RequestLimits): Promise<RawAnswer> {
    const { server } = this.#uplink
    const { now } = this.#process.scheduler
    return this.#request(token.reveal(), limits, () => server.refresh(token.reveal(), now))
  }

  redeem({ code }: CodeGrant, limits: RequestLimits): Promise<RawAnswer> {
    const { server } = this.#uplink
    return this.#request(code.reveal(), limits, () => server.redeem(code.reveal()))
  }

  read({ status, body, complete }: RawAnswer): Promise<Reading> {
    return this.#process.step('read', () => reading(status, Buffer.from(body).toString(), complete))
  }

  #request(token: string, limits: RequestLimits, ask: () => Verdict): Promise<RawAnswer> {
    const process = this.#process
    const { scheduler } = process
    const fate = this.#uplink.fate(process)
    const sentAt = process.host.clocks.read()
    return new Promise((resolve) => {
      let sent: Sent | undefined
      let isOver = false
      const end = (label: string, ms: number, answer: Partial<RawAnswer>): void => {
        scheduler.after(ms, label, process, () => {
          if (isOver) return
          isOver = true
          if (sent !== undefined) sent.isOver = true
          // Whatever has come may be the only copy of a pair.
          const isPair = answer.status === 200 && answer.complete === true
          if (sent !== undefined && isPair) sent.receivedAt = scheduler.now
          process.owes = (answer.body?.byteLength ?? 0) > 0
          resolve({ ...NOTHING, sentAt, ...answer, sent: sent !== undefined })
        })
      }
      end('no answer in time', limits.timeoutMs, { failure: 'TIMEOUT' })
      process.strike('connect', false)
      if (fate === 'refused') {
        end('connection refused', this.#takes(), { failure: 'ECONNREFUSED' })
        return
      }
      scheduler.after(this.#takes(), 'the connection stands', process, () => {
        if (isOver) return
        const objection = limits.lastLook?.() ?? null
        if (objection !== null) {
          end(`not sent: ${objection}`, 0, { failure: objection })
          return
        }
        scheduler.note(`sends ${token}`, process)
        sent = this.#uplink.sent(process, token)
        process.strike('send', true)
        this.#deliver(fate, ask, () => isOver, end)
      })
    })
  }

  #deliver(
    fate: Fate,
    ask: () => Verdict,
    isOver: () => boolean,
    end: (label: string, ms: number, answer: Partial<RawAnswer>) => void,
  ): void {
    const { scheduler } = this.#process
    if (fate === 'request lost') {
      end('the connection is cut', this.#takes(), { failure: 'ECONNRESET' })
      return
    }
    scheduler.after(this.#takes(), '', undefined, () => {
      // The client has closed the connection: the server may have read the request, or not.
      if (isOver() && scheduler.chance(0.5)) return
      if (fate === '500 before' || fate === '503') {
        end(`answers ${fate}`, this.#takes(), { status: fate === '503' ? 503 : 500, complete: true })
        return
      }
      const { status, body } = ask()
      scheduler.note(`the server answers ${status} ${Buffer.from(body).toString().slice(0, 90)}`)
      this.#process.strike('answer', true)
      if (fate === '500 after') end('an answer 500', this.#takes(), { status: 500, complete: true })
      else if (fate === 'answer lost') end('the connection is cut', this.#takes(), { failure: 'ECONNRESET' })
      else if (fate === 'answer cut') {
        const part = body.subarray(0, 1 + scheduler.below(body.length - 1))
        end('half of an answer', this.#takes(), { status, body: part, failure: 'ECONNRESET' })
      } else end('the answer', this.#takes(), { status, body, complete: true, isFramed: true })
    })
  }

  #takes(): number {
    return this.#process.takes('network', this.#uplink.slow)
  }
}

/** Reads what the simulated server writes. */
export function reading(status: number | null, text: string, isComplete: boolean): Reading {
  if (!isComplete || text === '') {
    const [, salvaged] = /"refresh_token":"([^"]+)"/.exec(text) ?? []
    return {
      kind: 'unreadable',
      salvaged: salvaged === undefined ? null : new Secret(salvaged),
      ...(text !== '' && { isCut: true }),
    }
  }
  const said = JSON.parse(text) as Record<string, string | number>
  if (status !== 200) return { kind: 'error', code: String(said['error']), description: null }
  return {
    kind: 'tokens',
    accessToken: new Secret(String(said['access_token'])),
    refreshToken: new Secret(String(said['refresh_token'])),
    expiresIn: Number(said['expires_in']),
    ...{ refreshExpiresIn: null, tokenType: 'Bearer', scope: null, user: null },
  }
}
