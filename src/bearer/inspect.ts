// Judges for `doctor` what the API says of the stored access token. Sends nothing.
import { fail, ok, warn, type Finding } from '../core/finding.js'
import { ApiRefused } from '../core/errors.js'

export const API = 'API'

/**
 * Judges the API's answer to the stored access token. A redirect is judged like any other answer, and not followed:
 * HighQ's own pages send everybody who is not logged in to a login page.
 *
 * @param isOver The token has expired by our count.
 */
export function inspectApi({ origin, pathname }: URL, status: number, isOver: boolean): Finding {
  const said = `${origin}${pathname}: HTTP ${status}`
  if (status >= 200 && status < 300) return ok(API, `${said}, with the stored access token`)
  if (status !== 401 && status !== 403)
    return fail(API, new ApiRefused(said, { hint: 'check instance, or api_url, in [client] of the config' }))
  if (isOver)
    return warn(
      API,
      `${said}: the stored access token has expired; the next \`get\` renews it`,
      'hq-token get',
    )
  return fail(
    API,
    new ApiRefused(`${said}: the stored access token is refused`, {
      hint: 'if `hq-token api 1/sites` is refused too, the user of the token may not call the API: ask an administrator',
    }),
  )
}
