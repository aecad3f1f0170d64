// The facts about a token set: how it stands at an instant. No sentences: `status`, `doctor` and others find their own words.
import { isSameClient, type Client, type NamedClient } from './client.js'
import type { ClockReading } from './clock.js'
import { isStray } from './ownership.js'
import {
  ageOf,
  expiresAt,
  isLikelyDead,
  isUnread,
  judge,
  LONGEST_PAUSE,
  type ExpiryPolicy,
  type Verdict,
} from './policy.js'
import type { TokenSet } from './token-set.js'
import { isBearer } from './token-type.js'

/** The words that a script decides by; a promise: words may come, none may go. */
export type State = 'fresh' | 'due' | 'expired' | 'login_required' | 'empty' | 'other_client'

/** The part of the configuration that a set is judged by. */
export interface Configured {
  readonly policy: ExpiryPolicy
  readonly named: NamedClient
  /** Where tokens are sent; `null` where that is not known. */
  readonly apiUrl: URL | null
}

/** All instants are epoch seconds, all durations seconds. */
export interface Health {
  readonly state: State
  /** The state of the access token by itself, whoever may use it. */
  readonly verdict: Verdict
  /** Whether anything here can use a token of its type. */
  readonly isUsable: boolean
  readonly access: {
    readonly endsAt: number
    /** Negative when over. */
    readonly left: number
    /** Whether the token seems to come from the future. */
    readonly clockWentBack: boolean
  }
  /** `null` where the server does not say how long its refresh tokens live. */
  readonly refresh: { readonly endsAt: number; readonly left: number } | null
  /** Whether no refresh can help any more, by what the server has said of the refresh token. */
  readonly hasEnded: boolean
  /** Since when nothing but a bare 400 or 401 comes, where that has probably ended the grant. */
  readonly likelyDeadSince: number | null
  /** When the exchange began whose outcome is not known. */
  readonly unfinishedSince: number | null
  /** Until when nobody asks the server, because it said so or because of an answer that nobody can read. */
  readonly pausedUntil: number | null
  /** Whether the last answer is kept because nobody can read it. */
  readonly isUnread: boolean
}

/** How a set stands that the configured client may be another than the bound one of. */
export function healthOf(set: TokenSet, at: ClockReading, configured: Configured): Health {
  const { pair, refusedAt, bareSince, intent, notBefore } = set
  const endsAt = expiresAt(pair, at)
  const { verdict } = judge(set, at, configured.policy)
  const end = pair.refreshExpiresAt
  return {
    state: stateOf(set, verdict, configured),
    verdict,
    isUsable: isBearer(pair.tokenType),
    access: { endsAt, left: endsAt - at.now, clockWentBack: ageOf(pair, at).clockWentBack },
    refresh: end === null ? null : { endsAt: end, left: end - at.now },
    hasEnded: refusedAt !== null || (end !== null && end <= at.now),
    likelyDeadSince: bareSince !== null && isLikelyDead(set, at) ? bareSince : null,
    unfinishedSince: intent?.at ?? null,
    // An instant further off is a clock that jumped.
    pausedUntil:
      notBefore !== null && notBefore > at.now && notBefore - at.now <= LONGEST_PAUSE ? notBefore : null,
    isUnread: isUnread(set),
  }
}

function stateOf(set: TokenSet, verdict: Verdict, { named, apiUrl }: Configured): State {
  if (set.client !== null && (isElsewhere(set.client, named) || isStray(set, named, apiUrl)))
    return 'other_client'
  if (set.refusedAt !== null) return 'login_required'
  // A token that `get` does not hand out is as good as over: `fresh` would tell a script to go on.
  return isBearer(set.pair.tokenType) ? verdict : 'expired'
}

/** No server is asked: where only the issuer could tell which server it is, the origin decides. */
function isElsewhere(bound: Client, named: NamedClient): boolean {
  const known = isSameClient(bound, named)
  if (known !== undefined) return !known
  const origins = [bound, named].map(({ tokenUrl, issuer }) => new URL(tokenUrl ?? issuer ?? 'about:').origin)
  return origins[0] !== origins[1]
}
