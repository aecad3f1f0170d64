// Decides which URL a path of `hq-token api` means. Sends nothing.
import { ConfigInvalid, UsageError } from '../../../core/errors.js'
import { shellWord } from '../../../core/shell-quoting.js'

/**
 * The URL that a path of `hq-token api` means: a whole URL, a path of the host that begins as the API's own, or, as
 * for `gh api`, a path below the API, with or without a slash before it.
 *
 * @throws {UsageError} if it leads to another origin than the API's, because the token is not for that
 */
export function apiUrl(target: string, api: URL | null): URL {
  if (api === null)
    throw new ConfigInvalid('instance or api_url is missing: paths of the API are relative to it', {
      hint: 'add to [client] of the config: api_url = https://HOST/PATH/; or set HQ_TOKEN_API_URL',
    })
  const url = resolved(target, api)
  // The scheme has no server: the colon is meant otherwise, or there is nobody to call.
  if (url === null || url.origin === 'null')
    throw new UsageError(`${JSON.stringify(target)} is neither a path nor a URL`, {
      hint:
        url === null
          ? 'hq-token api 1/sites'
          : `for a path with a colon: hq-token api ${shellWord(`./${target}`)}`,
    })
  if (url.origin !== api.origin)
    throw new UsageError(`the token is for ${api.origin} and is not sent to ${url.origin}`, {
      hint: 'hq-token api 1/sites',
    })
  url.hash = ''
  url.username = url.password = ''
  return url
}

function resolved(target: string, api: URL): URL | null {
  const isWhole = /^[a-z][a-z\d+.-]*:/i.test(target)
  // The instance's own folder: `/acme/api/1/sites`, and `/acme/…` beside it.
  const folder = api.pathname.replace(/[^/]+\/$/, '')
  const isOfHost = folder !== '/' && target.startsWith(folder)
  const relative = isWhole || isOfHost ? target : target.replace(/^\//, './')
  return URL.canParse(relative, api.href) ? new URL(relative, api) : null
}
