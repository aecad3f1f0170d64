// What an authorization server knows: which refresh token it has issued for which, and which of them still work. Sends
// and delays nothing.

/** A pair that the server has issued. */
export interface Issued {
  readonly refresh: string
  readonly access: string
  readonly family: Family
  /** The pair whose refresh token bought it; `undefined` for a login's. */
  readonly parent: Issued | undefined
  /** Milliseconds of the schedule. */
  readonly at: number
  /** When its refresh token was first spent. */
  usedAt: number | undefined
  /** The pair that it bought last. */
  next: Issued | undefined
  /** Another pair was issued in its place. */
  isReplaced: boolean
}

/** The pairs of one grant. */
export interface Family {
  /** Later grants have higher numbers. */
  readonly id: number
  readonly pairs: Issued[]
  /** Why its tokens no longer work; `undefined` while they do. */
  ended: string | undefined
}

export interface GrantRules {
  /** Seconds that an access token lives. */
  readonly lifetime: number
  /** Milliseconds for which a spent refresh token may come again. 0: it ends the grant. */
  readonly graceMs: number
  /**
   * What a repetition within that time brings: the same pair, another one beside it, or another one that takes its
   * place.
   */
  readonly repetition: 'same' | 'another' | 'replacing'
}

/** Rotates refresh tokens. A spent one that comes again ends its grant. @see RFC 9700 section 4.14.2 */
export class Grants {
  readonly rules: GrantRules
  readonly families: Family[] = []
  readonly #byRefresh = new Map<string, Issued>()
  readonly #byAccess = new Map<string, Issued>()
  readonly #codes = new Map<string, Family | null>()

  constructor(rules: GrantRules) {
    this.rules = rules
  }

  get newest(): Issued | undefined {
    return this.families.at(-1)?.pairs.at(-1)
  }

  withRefresh(token: string): Issued | undefined {
    return this.#byRefresh.get(token)
  }

  withAccess(token: string): Issued | undefined {
    return this.#byAccess.get(token)
  }

  /** A person has logged in, and the browser has a code. */
  authorize(): string {
    const code = `code-${this.#codes.size + 1}`
    this.#codes.set(code, null)
    return code
  }

  /** @returns `undefined`: the server refuses the code. */
  redeem(code: string, now: number): Issued | undefined {
    const before = this.#codes.get(code)
    if (before === undefined) return undefined
    if (before !== null) {
      before.ended = `${code} came twice`
      return undefined
    }
    const family = this.begin()
    this.#codes.set(code, family)
    return this.#issue(family, undefined, now)
  }

  begin(): Family {
    const family: Family = { id: this.families.length + 1, pairs: [], ended: undefined }
    this.families.push(family)
    return family
  }

  first(now: number): Issued {
    return this.#issue(this.begin(), undefined, now)
  }

  /** @returns `undefined`: `invalid_grant`. */
  refresh(token: string, now: number): Issued | undefined {
    const pair = this.#byRefresh.get(token)
    if (pair === undefined || pair.family.ended !== undefined || pair.isReplaced) return undefined
    if (pair.usedAt === undefined) {
      pair.usedAt = now
      return (pair.next = this.#issue(pair.family, pair, now))
    }
    const { graceMs, repetition } = this.rules
    const { next } = pair
    const isRepetition = now - pair.usedAt <= graceMs && next !== undefined && next.usedAt === undefined
    if (!isRepetition) {
      pair.family.ended = `${token} came again`
      return undefined
    }
    if (repetition === 'same') return next
    if (repetition === 'replacing') next.isReplaced = true
    return (pair.next = this.#issue(pair.family, pair, now))
  }

  revoke(token: string): void {
    const pair = this.#byRefresh.get(token)
    if (pair !== undefined) pair.family.ended ??= `${token} was revoked`
  }

  /** Whether a refresh token still buys a pair. */
  isLive(pair: Issued): boolean {
    return pair.usedAt === undefined && !pair.isReplaced && pair.family.ended === undefined
  }

  /** When the access token ends, in milliseconds of the schedule. */
  endOf(pair: Issued): number {
    return pair.at + this.rules.lifetime * 1000
  }

  #issue(family: Family, parent: Issued | undefined, at: number): Issued {
    const name = `${family.id}.${family.pairs.length + 1}`
    const pair: Issued = {
      ...{ refresh: `refresh-${name}`, access: `access-${name}`, family, parent, at },
      ...{ usedAt: undefined, next: undefined, isReplaced: false },
    }
    family.pairs.push(pair)
    this.#byRefresh.set(pair.refresh, pair)
    this.#byAccess.set(pair.access, pair)
    return pair
  }
}

/** Whether a pair was bought with another's refresh token, or with one that it bought. */
export function isLaterThan(pair: Issued, other: Issued): boolean {
  for (let one = pair.parent; one !== undefined; one = one.parent) if (one === other) return true
  return false
}
