// A small API behind the sandbox's tokens: sites to read and to make, files to upload and to download. Stores all
// in memory.
import type { Format, Reply } from './answers.js'
import { escaped, reply } from './answers.js'
import { Secret } from '../core/secret.js'
import type { Grants } from './grants.js'
import type { Endpoint, Handled, Received } from './request.js'

interface Site {
  readonly id: number
  readonly sitename: string
  readonly status: 'ACTIVE' | 'ARCHIVED'
}

interface StoredFile {
  readonly id: number
  readonly filename: string
  readonly contentType: string
  readonly content: Buffer
}

const SITES: readonly Site[] = [
  { id: 101, sitename: 'Deal room', status: 'ACTIVE' },
  { id: 102, sitename: 'Research & know-how', status: 'ACTIVE' },
  { id: 103, sitename: 'Closed matters', status: 'ARCHIVED' },
]

/** A file that is there from the start, for a first download. */
const CONTRACT: StoredFile = {
  id: 7,
  filename: 'contract.pdf',
  contentType: 'application/pdf',
  content: Buffer.from(
    '%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n' +
      '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n',
  ),
}

/** The most of one kind, because a test that runs for days must not fill the memory. Nobody tries more by hand. */
const MOST = 100

/**
 * The API's endpoints by path. As HighQ does, it refuses a token with 403 and not with 401.
 *
 * @param root Path of the API with a slash at its end.
 * @returns The endpoint of a path; `undefined` if there is none.
 */
export function apiEndpoints(grants: Grants, root: string): (path: string) => Endpoint | undefined {
  const sites: Site[] = [...SITES]
  const files: StoredFile[] = [CONTRACT]

  const sitesAt: Endpoint = (request) => {
    const { method, query, format } = request
    if (isRead(method)) {
      const limit = Number(query.get('limit') ?? sites.length)
      return served(list('site', sites.slice(0, limit >= 0 ? limit : sites.length), format))
    }
    if (method !== 'POST') return refused(405, 'Method not allowed', format)
    const sitename = nameIn(request)
    if (sitename === undefined) return refused(400, 'sitename is missing', format)
    const site = { id: nextId(sites, 100), sitename, status: 'ACTIVE' } as const
    keep(sites, site)
    return served(one('site', site, format))
  }

  const filesAt: Endpoint = (request) => {
    const { method, format } = request
    if (isRead(method)) return served(list('file', files.map(described), format))
    if (method !== 'POST' && method !== 'PUT') return refused(405, 'Method not allowed', format)
    const id = nextId(files, 7)
    const file = { id, filename: `file-${id}`, contentType: typeOf(request), content: request.bytes }
    keep(files, file)
    return served(one('file', described(file), format))
  }

  const fileAt = (id: number): Endpoint => {
    return ({ method, format }) => {
      const file = files.find((known) => known.id === id)
      if (file === undefined) return refused(404, 'Not found', format)
      if (!isRead(method)) return refused(405, 'Method not allowed', format)
      return served({
        status: 200,
        headers: {
          'content-type': file.contentType,
          'content-disposition': `attachment; filename="${file.filename}"`,
          'cache-control': 'no-store',
        },
        body: file.content,
      })
    }
  }

  return (path) => {
    const below = path.startsWith(root) ? path.slice(root.length) : undefined
    const id = /^1\/files\/([1-9]\d{0,8})$/.exec(below ?? '')?.[1]
    if (below === '1/sites') return withToken(grants, sitesAt)
    if (below === '1/files') return withToken(grants, filesAt)
    return id === undefined ? undefined : withToken(grants, fileAt(Number(id)))
  }
}

function withToken(grants: Grants, endpoint: Endpoint): Endpoint {
  return (request) => {
    const { authorization, format } = request
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    const presented = token === undefined ? null : new Secret(token).fingerprint
    if (token === undefined || grants.userOf(token) === undefined)
      return { ...refused(403, 'Access denied', format), presented }
    return { ...endpoint(request), presented }
  }
}

export const nothingThere: Endpoint = ({ format }) => refused(404, 'Not found', format)

/** An error of the API, or of the sandbox if no endpoint is concerned. */
export function failure(status: number, message: string, format: Format): Reply {
  return format === 'json'
    ? reply(status, 'application/json', JSON.stringify({ status, message }))
    : reply(
        status,
        'application/xml',
        `<error><status>${status}</status><message>${message}</message></error>`,
      )
}

function refused(status: number, message: string, format: Format): Handled {
  return { answer: failure(status, message, format), outcome: 'refused' }
}

function served(answer: Reply): Handled {
  return { answer, outcome: 'served' }
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** The name of a new site, from JSON or from XML; `undefined` if there is none. */
function nameIn({ body, contentType }: Received): string | undefined {
  if (/xml/i.test(contentType)) {
    const text = /<sitename>([^<]*)<\/sitename>/.exec(body)?.[1]?.trim()
    return text === undefined || text === '' ? undefined : unescaped(text)
  }
  try {
    const { sitename } = JSON.parse(body) as { readonly sitename?: unknown }
    return typeof sitename === 'string' && sitename.trim() !== '' ? sitename : undefined
  } catch {
    return undefined
  }
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? '')
}

/**
 * The content type that the upload named, so that a text comes back as a text. It cannot become a header of its
 * own.
 */
function typeOf({ contentType }: Received): string {
  return /^[\w.+-]+\/[\w.+-]+(?:; *charset=[\w-]+)?$/.test(contentType)
    ? contentType
    : 'application/octet-stream'
}

function described({ id, filename, content }: StoredFile): Readonly<Record<string, string | number>> {
  return { id, filename, size: content.byteLength }
}

function nextId(known: readonly { readonly id: number }[], least: number): number {
  return Math.max(least, ...known.map(({ id }) => id)) + 1
}

function keep<T>(all: T[], item: T): void {
  all.push(item)
  if (all.length > MOST) all.shift()
}

type Item = Readonly<Record<string, string | number>>

function list(name: string, items: readonly (Item | Site)[], format: Format): Reply {
  if (format === 'json') return reply(200, 'application/json', JSON.stringify({ [name]: items }))
  return reply(
    200,
    'application/xml',
    `<${name}s>${items.map((item) => element(name, item)).join('')}</${name}s>`,
  )
}

function one(name: string, item: Item | Site, format: Format): Reply {
  return format === 'json'
    ? reply(200, 'application/json', JSON.stringify(item))
    : reply(200, 'application/xml', element(name, item))
}

function element(name: string, item: Item | Site): string {
  const fields = Object.entries(item).map(([key, value]) => `<${key}>${escaped(String(value))}</${key}>`)
  return `<${name}>${fields.join('')}</${name}>`
}
