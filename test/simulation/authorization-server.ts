// A simulated authorization server: it rotates refresh tokens, forgives a repetition for a while, and ends a family
// whose refresh token is used again after that. Knows nothing of the hosts.
import type { Scheduler } from './scheduler.js'

/**
 * What a repetition within the grace gets: the pair of the first one; another pair, beside the first, which lives on;
 * or another pair that takes the first one's place.
 */
export type Repetition = 'same' | 'another' | 'replaced'

/** One refresh token, and what it has bought. */
export interface Issued {
  readonly refresh: string
  readonly access: string
  readonly family: Family
  /** True time in milliseconds. */
  readonly at: number
  /** When the request that brought it was begun. */
  readonly askedAt: number
  /** What its uses have brought, the latest last. */
  readonly successors: Issued[]
  /** When it was first used. */
  usedAt: number | undefined
  /** Another pair has taken its place: it is refused, and nothing ends by it. */
  isReplaced: boolean
}

export interface Family {
  readonly number: number
  isOver: boolean
  /** True time at which a person ended it. */
  revokedAt: number | undefined
  readonly all: Issued[]
}

/** The answer to a token request. */
export interface Verdict {
  readonly status: number
  readonly body: Uint8Array
}

export class AuthorizationServer {
  readonly families: Family[] = []
  /** Seconds that an access token lives. */
  readonly lifetime: number
  /** Milliseconds for which a repetition is forgiven. */
  readonly graceMs: number
  readonly repetition: Repetition
  readonly #scheduler: Scheduler
  readonly #byRefresh = new Map<string, Issued>()
  readonly #byAccess = new Map<string, Issued>()
  readonly #codes = new Map<string, { redeemed: Family | undefined }>()
  #count = 0

  constructor(scheduler: Scheduler, options: { lifetime: number; graceMs: number; repetition: Repetition }) {
    this.#scheduler = scheduler
    this.lifetime = options.lifetime
    this.graceMs = options.graceMs
    this.repetition = options.repetition
  }

  /** A person grants access: the first pair of a new family. */
  begin(): Issued {
    const family: Family = { number: this.families.length + 1, isOver: false, revokedAt: undefined, all: [] }
    this.families.push(family)
    return this.#issue(family)
  }

  authorize(): string {
    const code = `code-${++this.#count}-of-a-login`
    this.#codes.set(code, { redeemed: undefined })
    return code
  }

  /** @param askedAt When the request was begun. */
  refresh(token: string, askedAt: number): Verdict {
    const used = this.#byRefresh.get(token)
    if (used === undefined || used.family.isOver || used.isReplaced) return REFUSED
    const { now } = this.#scheduler
    if (used.usedAt === undefined) {
      used.usedAt = now
      return granted(this.#follow(used, askedAt), this.lifetime)
    }
    if (now - used.usedAt > this.graceMs) {
      this.#scheduler.note(`the server ends family ${used.family.number}: ${token} was used before`)
      used.family.isOver = true
      return REFUSED
    }
    const first = used.successors.at(-1)
    // The first one has been used meanwhile: the repetition came too late to matter.
    if (first === undefined || this.repetition === 'same') return granted(first ?? used, this.lifetime)
    if (this.repetition === 'replaced') {
      if (first.usedAt !== undefined) return granted(first, this.lifetime)
      first.isReplaced = true
    }
    return granted(this.#follow(used, askedAt), this.lifetime)
  }

  redeem(code: string): Verdict {
    const known = this.#codes.get(code)
    if (known === undefined) return REFUSED
    if (known.redeemed !== undefined) {
      known.redeemed.isOver = true
      return REFUSED
    }
    const first = this.begin()
    known.redeemed = first.family
    return granted(first, this.lifetime)
  }

  revoke(token: string): void {
    const used = this.#byRefresh.get(token)
    if (used === undefined) return
    used.family.isOver = true
    used.family.revokedAt = this.#scheduler.now
  }

  find(refresh: string): Issued | undefined {
    return this.#byRefresh.get(refresh)
  }

  /** True time in milliseconds at which an access token ends; `undefined` if it was never issued. */
  endOf(access: string): number | undefined {
    const issued = this.#byAccess.get(access)
    return issued && issued.at + this.lifetime * 1000
  }

  familyOf(access: string): Family | undefined {
    return this.#byAccess.get(access)?.family
  }

  #follow(used: Issued, askedAt: number): Issued {
    const next = this.#issue(used.family, askedAt)
    used.successors.push(next)
    return next
  }

  #issue(family: Family, askedAt = this.#scheduler.now): Issued {
    const name = `${family.number}.${family.all.length + 1}`
    const issued: Issued = {
      ...{ refresh: `refresh-${name}`, access: `access-${name}`, family, at: this.#scheduler.now, askedAt },
      ...{ successors: [], usedAt: undefined, isReplaced: false },
    }
    family.all.push(issued)
    this.#byRefresh.set(issued.refresh, issued)
    this.#byAccess.set(issued.access, issued)
    return issued
  }
}

const REFUSED: Verdict = { status: 400, body: Buffer.from('{"error":"invalid_grant"}') }

function granted({ access, refresh }: Issued, lifetime: number): Verdict {
  const tokens = { token_type: 'Bearer', access_token: access, expires_in: lifetime, refresh_token: refresh }
  return { status: 200, body: Buffer.from(JSON.stringify(tokens)) }
}
