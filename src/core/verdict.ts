// Reads a verdict on a refresh token or a client in a server's words, by known codes and by phrases. Pure.
import type { Words } from './ports.js'

export type Verdict = 'refused' | 'misconfigured' | 'passing'

/** `invalid_grant`, the names that servers use in its place, and OpenID Connect's codes for "a person is needed". */
const REFUSED = codes(
  'invalid_grant bad_refresh_token invalid_refresh_token refresh_token_invalid incorrect_refresh_token',
  'expired_refresh_token refresh_token_expired revoked_refresh_token refresh_token_revoked refresh_token_reused',
  'unknown_refresh_token refresh_token_not_found refresh_token_already_used refresh_token_used',
  'invalid_code invalid_oauth_refresh_token expired_token token_expired token_revoked token_inactive invalid_token',
  'grant_expired grant_revoked authorization_revoked session_not_found session_expired',
  'inactive_user user_inactive account_inactive reauth_required reauthentication_required',
  'login_required interaction_required consent_required account_selection_required',
)

/**
 * The codes of RFC 6749 section 5.2 except `invalid_grant`, and the names that servers use for a wrong or deleted
 * client.
 */
const MISCONFIGURED = codes(
  'invalid_client unauthorized_client invalid_scope unsupported_grant_type access_denied invalid_target',
  'incorrect_client_credentials invalid_client_credentials bad_client_credentials invalid_client_id bad_client_id',
  'invalid_client_secret bad_client_secret incorrect_client_secret expired_client_secret client_secret_expired',
  'deleted_client client_deleted disabled_client client_disabled inactive_client client_inactive',
  'suspended_client client_suspended archived_client client_archived blocked_client client_blocked',
  'unknown_client client_not_found client_not_active revoked_client client_revoked expired_client client_expired',
  'app_disabled application_disabled app_deleted invalid_app oauth_app_blocked oauth_app_access_denied',
  'unsupported_client_authentication_method invalid_grant_type grant_type_not_supported',
)

/** Codes by which the server says that this is no verdict and will pass. */
const PASSING = codes(
  'temporarily_unavailable server_error internal_error internal_server_error service_unavailable timeout',
  'slow_down authorization_pending rate_limited rate_limit_exceeded ratelimited too_many_requests unavailable',
)

/** Codes that say "token" without saying which: the words tell whether another token is meant. */
const ANY_TOKEN = codes('invalid_token token_expired expired_token token_revoked token_inactive')

/**
 * The verdict of the words on the refresh token that was sent, or on the client.
 *
 * @param isError False if only the words themselves show that this is an error.
 * @returns `undefined` if they say nothing about either.
 */
export function verdictIn({ code, description }: Words, isError: boolean): Verdict | undefined {
  const name = folded(codeIn(code ?? ''))
  const text = plain([code, description].filter((part) => part !== null).join(': '))
  if (isError && ANY_TOKEN.has(name) && OTHER_TOKEN.test(text) && !REFRESH_TOKEN.test(text)) return undefined
  if (isError && REFUSED.has(name)) return 'refused'
  if (isError && MISCONFIGURED.has(name)) return 'misconfigured'
  if (isError && PASSING.has(name)) return 'passing'
  return (
    verdictOfWords(text, name === 'invalidrequest') ??
    (isError && name === 'invalidrequest' ? 'misconfigured' : undefined)
  )
}

/** Whether a code of RFC 6749 section 5.2 or a close relative: it is a verdict whatever the status. */
export function isStandard(code: string): boolean {
  return STANDARD.has(codeIn(code))
}

const STANDARD = new Set([
  ...['invalid_grant', 'invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_request'],
  ...['unsupported_grant_type', 'access_denied', 'invalid_target'],
  ...['bad_refresh_token', 'refresh_token_reused', 'refresh_token_expired', 'incorrect_client_credentials'],
  ...['login_required', 'interaction_required', 'consent_required'],
])

/** Whether a refusal says that another request is in progress, or that a later one may succeed. */
export function isBusy(words: string): boolean {
  return /already being processed|in progress|concurrent|try again (?:later|in)|temporar/.test(plain(words))
}

/** Whether the server's words give their own reason for the end of a grant. */
export function namesReason(words: string): boolean {
  return /expire|inactiv|not active|idle|too old|password|sign(?:ed)?[ -]?out|log(?:ged)?[ -]?out|disabled|deactivat|suspended|lifetime/.test(
    plain(words),
  )
}

// --- words

const REFRESH_TOKEN = /refresh[ _-]?token/
/** Tokens that a refresh does not send: an answer that misses one is no token endpoint's, or means something else. */
const OTHER_TOKEN =
  /\b(?:access|id|csrf|xsrf|bearer|session|request)[ _-]?token\b|\bauthori[sz]ation header\b/

const DEAD =
  '(?:invalid|expired|revoked|unknown|bad|incorrect|wrong|inactive|unrecogni[sz]ed|reused|used|cancell?ed|consumed|disabled|blacklisted|malformed|not found|not valid|not active|not known|not recogni[sz]ed|no longer valid|no longer active|does not exist|do(?:es)?n.t exist|could not be found|cannot be found|has ended|rejected)'
/** The only words that may stand between token and adjective, because other words change the sense. */
const BETWEEN_BEFORE =
  '(?:or|and|the|this|that|an?|access|oauth2?|given|provided|supplied|presented|jwt|your|already|missing)'
const BETWEEN_BEHIND =
  '(?:is|was|were|has|have|had|been|are|it|the|you|that|which|provided|supplied|given|presented|passed|sent|specified|submitted|used|parameter|value|in request|either|an?|or|and|already|because|may|might|be|missing|previously)'
/** The token's value, quoted or not. */
const QUOTED = `(?:["'(\\[][^"')\\]]{0,4000}["')\\]]|(?=[a-z]*\\d)[\\w.~+/=-]{8,})`
/** Excludes the verb: "Failed to refresh token: …" is about the action. */
const NOT_A_VERB = '(?<!(?:to|not|cannot|when|while|during|on|please|could|will|must) )'
const NOT_A_PART =
  '(?! ?(?:grant|request|endpoint|service|flow|store|cache|database|exchange|rotation|rate|limit)\\b)'
const TOKEN = `["'(\`]?${NOT_A_VERB}refresh[ _-]?tokens?${NOT_A_PART}["')\`]?`

const DEAD_BEFORE = new RegExp(`\\b${DEAD}(?:[ ,/]+(?:${BETWEEN_BEFORE}|${DEAD})){0,6}[ ,/:-]+${TOKEN}`)
const DEAD_BEHIND = new RegExp(`${TOKEN}(?:[ ,:=-]+(?:${BETWEEN_BEHIND}\\b|${QUOTED})){0,6}[ ,:-]+${DEAD}\\b`)
const DEAD_OTHERWISE = new RegExp(
  `(?:\\bno (?:such|valid|active)|\\bnot an? (?:valid|active|known)|could not find(?: the| a)?|couldn.t find(?: the| a)?|cannot find(?: the| a)?) ${TOKEN}`,
)
/** Applies to a request that sent one token only: `invalid_request: token expired`. */
const ANY_DEAD = new RegExp(
  `\\b(?:(?:grant|session|token|family)(?: (?:is|was|has|been|had))* ${DEAD}\\b|${DEAD} (?:grant|session|token))`,
)
const LIVES = /\bnot (?:yet )?(?:been )?(?:expired|revoked|invalid|used)\b|\bis (?:still )?valid\b/

const PARAMETER =
  '(?:grant[ _-]?type|refresh[ _-]?token|client[ _-]?id|client[ _-]?secret|redirect[ _-]?uri|scope|parameters?|params?|fields?)'
const MISSING =
  '(?:missing|required|not (?:be )?(?:provided|supplied|present|specified|given|set|found in)|absent|empty|blank|null|not be (?:empty|blank|null)|must be (?:provided|supplied|present|specified|set))'
const IS_MISSING = new RegExp(
  `\\bmissing(?: a| the| required| mandatory| or empty| value| for|:){0,4} ?["'\`]?${PARAMETER}\\b|${PARAMETER}["'\`]?(?: (?:parameter|value|field|is|was|are|a|the|should|must|may|can|cannot)){0,4} ${MISSING}\\b|\\bno ${PARAMETER}(?: \\w+){0,2} (?:provided|supplied|given|sent|found)|\\brequired ${PARAMETER}`,
)
const UNSUPPORTED = new RegExp(
  '(?:unsupported|not supported|not allowed|not permitted|unknown|invalid|disabled|not enabled|unauthori[sz]ed|bad)[ _:-]*["\'`]?(?:grant[ _-]?type|refresh[ _-]?token grant)|(?:grant[ _-]?type|refresh[ _-]?token grant)["\'`]?(?: [\\w"\'`-]+){0,3} (?:unsupported|not supported|not allowed|not permitted|unknown|invalid|disabled|not enabled|unauthori[sz]ed)',
)
const CLIENT =
  '(?:oauth2? )?(?:client|application|app|registration)(?: ?(?:id|secret|credentials|application))?'
const CLIENT_DEAD =
  '(?:invalid|unknown|disabled|inactive|suspended|archived|deleted|blocked|revoked|expired|incorrect|wrong|bad|not found|not active|not known|not recogni[sz]ed|not enabled|does not exist|deactivated|not authori[sz]ed)'
const DEAD_CLIENT = new RegExp(
  `\\b${CLIENT}(?: ["'(\\[]?[\\w.-]*["')\\]]?)?(?: (?:is|was|has|been|or|and|secret|provided|credentials|currently)){0,4} ${CLIENT_DEAD}\\b|\\b${CLIENT_DEAD}(?: (?:or|oauth2?|the)){0,2} ${CLIENT}\\b`,
)

/** Checks in this order, because a missing or unsupported parameter means that the token was never looked up. */
function verdictOfWords(text: string, isRequest: boolean): Verdict | undefined {
  // "Missing or invalid refresh token" means invalid, because the token was sent.
  const sent = text.replace(/\bmissing(?: or |\/)(?=\w)|(?: or |\/)missing\b/g, '')
  if (isBusy(text)) return undefined
  if (IS_MISSING.test(sent) || UNSUPPORTED.test(sent)) return 'misconfigured'
  if (!LIVES.test(sent)) {
    if ([DEAD_BEFORE, DEAD_BEHIND, DEAD_OTHERWISE].some((dead) => dead.test(sent))) return 'refused'
    if (isRequest && !OTHER_TOKEN.test(sent) && ANY_DEAD.test(sent)) return 'refused'
  }
  return DEAD_CLIENT.test(sent) ? 'misconfigured' : undefined
}

function plain(words: string): string {
  return words
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Cuts the code out of a text with words, such as `invalid_grant: Token is expired`. */
function codeIn(code: string): string {
  return code.split(/[:;,.(]/, 1)[0]?.trim() ?? ''
}

/** Makes `BadRefreshToken`, `BAD_REFRESH_TOKEN` and `bad-refresh-token` equal. */
function folded(code: string): string {
  return code.toLowerCase().replace(/[^a-z\d]/g, '')
}

function codes(...lists: readonly string[]): ReadonlySet<string> {
  return new Set(lists.flatMap((list) => list.split(' ').map(folded)))
}
