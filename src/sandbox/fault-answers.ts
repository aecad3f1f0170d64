// Faults in how an answer is written: what servers are known to send. Made of the pieces in fault-kinds.ts.
import type { Fields, Reply } from './answers.js'
import { reply } from './answers.js'
import {
  asStrings,
  html,
  rotated,
  spuriously,
  text,
  untouched,
  without,
  type FaultKind,
} from './fault-kinds.js'

const NOTICE =
  '<br />\n<b>Notice</b>:  Undefined index: scope in <b>/srv/oauth/token.php</b> on line <b>17</b><br />\n'
const PAGE = '<!doctype html><html lang="en"><title>Site</title><p>Welcome</p></html>'
const FORM = 'application/x-www-form-urlencoded'

export const answerFaults = {
  'notice-before': rotated('answers JSON behind a notice of PHP, as text/html', (fields) =>
    reply(200, 'text/html', NOTICE + JSON.stringify(fields)),
  ),
  'page-behind': rotated('answers JSON with the site’s page behind it', (fields) =>
    reply(200, 'text/html', `${JSON.stringify(fields)}\n${PAGE}`),
  ),
  'in-page': rotated('answers JSON inside a web page', (fields) =>
    reply(200, 'text/html', `<!doctype html><html><pre>${JSON.stringify(fields)}</pre></html>`),
  ),
  script: rotated('answers JSON inside a call of JavaScript', (fields) =>
    reply(200, 'application/javascript', `/**/callback(${JSON.stringify(fields)});`),
  ),
  'json-guard': rotated("answers JSON behind )]}',", (fields) => json(fields, ")]}',\n")),
  'two-pairs': rotated('answers two pairs that differ', (fields) =>
    reply(
      200,
      'application/json',
      `${JSON.stringify(fields)}${JSON.stringify({ ...fields, access_token: 'AT-of-another-pair' })}`,
    ),
  ),
  envelope: rotated('answers inside {"status":0,"body":…}', (fields) => json({ status: 0, body: fields })),
  'envelope-list': rotated('answers inside a list', (fields) => json([fields])),
  'envelope-deep': rotated('answers three levels deep', (fields) =>
    json({ result: { status: 'OK', data: { tokens: fields } } }),
  ),
  'form-cut': rotated(
    'answers a form that ends in its last value, with nothing to tell its length',
    (fields) => {
      const { refresh_token: last, ...others } = fields
      const form = new URLSearchParams(asStrings(others))
      const body = `${form.toString()}&refresh_token=${String(last).slice(0, 12)}`
      return { ...reply(200, FORM, body), unframed: true }
    },
  ),
  'refresh-token-line-end': rotated('answers with a line end in the refresh token', (fields) =>
    json({ ...fields, refresh_token: `${String(fields['refresh_token'])}\r\n` }),
  ),
  'refresh-token-number': rotated('answers with a number for a refresh token', (fields) =>
    json({ ...fields, refresh_token: 4_711 }),
  ),
  'refresh-token-object': rotated('answers with an object for a refresh token', (fields) =>
    json({ ...fields, refresh_token: { value: fields['refresh_token'] } }),
  ),
  'expires-zero': rotated('answers with expires_in: 0', (fields) => json({ ...fields, expires_in: 0 })),
  'expires-at': rotated('answers with expires_at as a date, and no expires_in', (fields, _format, now) =>
    json({ ...without(fields, 'expires_in'), expires_at: new Date((now + 1800) * 1000).toISOString() }),
  ),
  'expires-epoch': rotated('answers with expires_in as epoch seconds', (fields, _format, now) =>
    json({ ...fields, expires_in: Math.floor(now) + 1800 }),
  ),
  'expires-milliseconds': rotated(
    'answers with expires_in in milliseconds, beside expires_in_sec',
    (fields) => json({ ...fields, expires_in: 1_800_000, expires_in_sec: 1800 }),
  ),
  'token-type-odd': rotated('answers with the token type BearerToken', (fields) =>
    json({ ...fields, token_type: 'BearerToken' }),
  ),
  'token-type-mac': rotated('answers with the token type mac', (fields) =>
    json({ ...fields, token_type: 'mac' }),
  ),

  'bad-refresh-token': untouched('400 with BAD_REFRESH_TOKEN, and no error by RFC 6749', () =>
    json({ status: 'BAD_REFRESH_TOKEN', message: 'missing or unknown refresh token' }, '', 400),
  ),
  'invalid-code': untouched('200 with invalid_code', () => json({ error: 'invalid_code' })),
  'token-in-request': untouched('invalid_request for a refresh token that is good', () =>
    json({ error: 'invalid_request', error_description: 'The refresh token is invalid.' }, '', 400),
  ),
  'missing-parameter': untouched('invalid_request because a parameter is missing', () =>
    json({ error: 'invalid_request', error_description: 'refresh_token is missing' }, '', 400),
  ),
  'deleted-client': untouched('deleted_client', spuriously('deleted_client')),
  busy: untouched('invalid_grant, because the same request is at work already', () =>
    json({ error: 'invalid_grant', error_description: 'token request is already being processed' }, '', 400),
  ),
  'redirect-308': untouched('308 to the same URL with a slash', () =>
    text(308, 'Permanent Redirect', { location: 'token/' }),
  ),
  '400-empty': untouched('400 without a word', () => text(400, '')),
  '401-empty': untouched('401 without a word', () => text(401, '')),
  '404-html': untouched('404 with a web page', () => html(404, 'Not found')),
} satisfies Record<string, FaultKind>

function json(fields: Fields | object, before = '', status = 200): Reply {
  return reply(status, 'application/json', before + JSON.stringify(fields))
}
