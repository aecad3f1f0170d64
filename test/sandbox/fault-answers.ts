import type { answerFaults } from '../../src/sandbox/fault-answers.js'

/** What the faults in how an answer is written promise: its status, whether it rotates, and what stands in it. */
export const answerPromises: Record<
  keyof typeof answerFaults,
  { readonly status: number; readonly rotates: boolean; readonly says: RegExp }
> = {
  'notice-before': { status: 200, rotates: true, says: /^<br \/>\n<b>Notice<\/b>.*\n\{"access_token"/ },
  'page-behind': { status: 200, rotates: true, says: /^\{"access_token".*\}\n<!doctype html>/ },
  'in-page': { status: 200, rotates: true, says: /^<!doctype html><html><pre>\{.*\}<\/pre>/ },
  script: { status: 200, rotates: true, says: /^\/\*\*\/callback\(\{.*\}\);$/ },
  'json-guard': { status: 200, rotates: true, says: /^\)\]\}',\n\{/ },
  'two-pairs': { status: 200, rotates: true, says: /\}\{"access_token":"AT-of-another-pair"/ },
  envelope: { status: 200, rotates: true, says: /^\{"status":0,"body":\{"access_token"/ },
  'envelope-list': { status: 200, rotates: true, says: /^\[\{.*\}\]$/ },
  'envelope-deep': { status: 200, rotates: true, says: /^\{"result":\{"status":"OK","data":\{"tokens":\{/ },
  'form-cut': { status: 200, rotates: true, says: /&refresh_token=refresh-[\w-]{4}$/ },
  'refresh-token-line-end': { status: 200, rotates: true, says: /"refresh_token":"refresh-[\w-]{43}\\r\\n"/ },
  'refresh-token-number': { status: 200, rotates: true, says: /"refresh_token":4711/ },
  'refresh-token-object': { status: 200, rotates: true, says: /"refresh_token":\{"value":"refresh-/ },
  'expires-zero': { status: 200, rotates: true, says: /"expires_in":0,/ },
  'expires-at': { status: 200, rotates: true, says: /"expires_at":"2027-01-15T08:30:00\.500Z"/ },
  'expires-epoch': { status: 200, rotates: true, says: /"expires_in":1800001800,/ },
  'expires-milliseconds': {
    status: 200,
    rotates: true,
    says: /"expires_in":1800000,.*"expires_in_sec":1800/,
  },
  'token-type-odd': { status: 200, rotates: true, says: /"token_type":"BearerToken"/ },
  'token-type-mac': { status: 200, rotates: true, says: /"token_type":"mac"/ },
  'bad-refresh-token': { status: 400, rotates: false, says: /^\{"status":"BAD_REFRESH_TOKEN"/ },
  'invalid-code': { status: 200, rotates: false, says: /^\{"error":"invalid_code"\}$/ },
  'token-in-request': { status: 400, rotates: false, says: /invalid_request.*The refresh token is invalid/ },
  'missing-parameter': { status: 400, rotates: false, says: /invalid_request.*refresh_token is missing/ },
  'deleted-client': { status: 400, rotates: false, says: /deleted_client/ },
  busy: { status: 400, rotates: false, says: /invalid_grant.*already being processed/ },
  'redirect-308': { status: 308, rotates: false, says: /^Permanent Redirect$/ },
  '400-empty': { status: 400, rotates: false, says: /^$/ },
  '401-empty': { status: 401, rotates: false, says: /^$/ },
  '404-html': { status: 404, rotates: false, says: /^<!doctype html>/ },
}
