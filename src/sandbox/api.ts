import type { Format, Reply } from './answers.js'
import { escaped, reply } from './answers.js'
import { Secret } from '../core/secret.js'
import type { Grants } from './grants.js'
import type { Endpoint } from './request.js'

const SITES = [
  { id: 101, sitename: 'Deal room', status: 'ACTIVE' },
  { id: 102, sitename: 'Research & know-how', status: 'ACTIVE' },
  { id: 103, sitename: 'Closed matters', status: 'ARCHIVED' },
]

/** The API's first call to try, and how it refuses a token: with 403 and not with 401. */
export function sitesEndpoint(grants: Grants): Endpoint {
  return ({ method, authorization, format }) => {
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    const presented = token === undefined ? null : new Secret(token).fingerprint
    if (token === undefined || grants.userOf(token) === undefined)
      return { answer: failure(403, 'Access denied', format), outcome: 'refused', presented }
    if (method !== 'GET')
      return { answer: failure(405, 'Method not allowed', format), outcome: 'refused', presented }
    return { answer: sites(format), outcome: 'served', presented }
  }
}

export const nothingThere: Endpoint = ({ format }) => ({
  answer: failure(404, 'Not found', format),
  outcome: 'refused',
})

/** An error of the API, or of the sandbox where no endpoint is concerned. */
export function failure(status: number, message: string, format: Format): Reply {
  return format === 'json'
    ? reply(status, 'application/json', JSON.stringify({ status, message }))
    : reply(
        status,
        'application/xml',
        `<error><status>${status}</status><message>${message}</message></error>`,
      )
}

function sites(format: Format): Reply {
  if (format === 'json') return reply(200, 'application/json', JSON.stringify({ site: SITES }))
  const elements = SITES.map(
    ({ id, sitename, status }) =>
      `<site><id>${id}</id><sitename>${escaped(sitename)}</sitename><status>${status}</status></site>`,
  )
  return reply(200, 'application/xml', `<sites>${elements.join('')}</sites>`)
}
