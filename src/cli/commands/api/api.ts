// Calls the API with the token, and writes its answer. Parses no answer.
import type { ApiOptions } from './command.js'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ApiRefused, UsageError } from '../../../core/errors.js'
import { asUnavailable, callApi, type ApiBody, type ApiResponse } from '../../../bearer/api-call.js'
import { hints } from '../../../platform/hints.js'
import { packageVersion } from '../../../version.js'
import { assertNotOwn } from '../../../wiring/own-files.js'
import { apiUrl } from './api-url.js'
import { fileBody, streamBody, textBody } from './body.js'
import type { Session } from '../../session.js'
import { fieldsObject, filled, type Field } from './fields.js'
import { namesFile } from '../../terminal/output-file.js'
import { isReaderGone, printableText } from '../../terminal/output.js'
import { progress, type Progress } from '../../terminal/progress.js'
import { fileDestination, standardOutput, type Destination } from '../../terminal/destination.js'

const HELP = 'hq-token api --help'

/** Bytes only beyond ASCII. @see RFC 9110 section 5.5 */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/

/** Headers that are ours: the token, and what is agreed upon for one connection. */
const OURS = /^(?:authorization|content-length|transfer-encoding|host|keep-alive|upgrade|expect)$/i

/**
 * Calls the API with the token, in the manner of `gh api`. The answer's body goes to standard output as it comes,
 * whatever its size.
 *
 * @throws {ApiRefused} for any answer that is no success, after its body was written
 */
export async function api(session: Session, target: string, options: ApiOptions): Promise<void> {
  const { world, config, guard, voice } = session
  const url = apiUrl(target, config.apiUrl)
  const agent = await session.agent(url)
  const typed = headersOf(options.header ?? [])
  const quiet: Progress = { add: () => undefined, end: () => undefined }
  let upload = quiet
  const fields = await fieldsOf(session, options)
  const body = await bodyOf(session, options, fields, (count) => {
    upload.add(count)
  })
  const method = (options.method ?? (body === null ? 'GET' : 'POST')).toUpperCase()
  if (!/^[A-Z]+$/.test(method) || method === 'CONNECT')
    throw new UsageError(`${JSON.stringify(method)} is not a method that can call an API`, { hint: HELP })
  const isInUrl = fields.length > 0 && (options.input !== undefined || /^(?:GET|HEAD)$/.test(method))
  if (isInUrl) for (const { key, value } of fields) url.searchParams.append(key, String(value))
  const sent = isInUrl && options.input === undefined ? null : body

  // Open the destination before anything is sent, because an answer that cannot be written need not be asked for.
  const { output } = options
  if (namesFile(output)) assertNotOwn(output, '--output', config)
  const sink = namesFile(output) ? fileDestination(output) : standardOutput(world.stdout)
  upload = sent === null ? quiet : progress(world.stderr, 'sent', sent.length)
  const usual = {
    accept: 'application/json',
    'user-agent': `hq-token/${packageVersion()}`,
    ...(sent !== null && options.input === undefined && { 'content-type': 'application/json' }),
  }
  const response = await callApi(guard, {
    url,
    method,
    headers: { ...usual, ...typed },
    // A header that a person has typed may be a secret, whatever its name, so it is not sent on. A header that they
    // took out stays out.
    awayHeaders: Object.fromEntries(
      Object.entries(usual).filter(([name]) => !(name in typed) || typed[name] !== undefined),
    ),
    body: sent,
    idleMs: options.timeout * 1000,
    agent,
  })
    .catch((error: unknown) => {
      sink.discard()
      throw notMade(error, `${method} ${url.origin}${url.pathname}`)
    })
    .finally(() => {
      upload.end()
    })
  voice.notice({ level: 'info', message: `${method} ${url.origin}${url.pathname}: HTTP ${response.status}` })
  if (isSuccess(response.status)) await write(session, url, response, sink, options)
  else {
    // The file is not for what the API says against the call.
    sink.discard()
    // The refusal tells more than that nobody wanted to read all of its reason.
    await write(session, url, response, standardOutput(world.stdout), options).catch((error: unknown) => {
      if (!isReaderGone(error)) throw error
    })
    throw refusal(response, method, url, sent)
  }
}

function fieldsOf({ world }: Session, { input, fields }: ApiOptions): Promise<Field[]> {
  const files = [input, ...fields.map((field) => ('file' in field ? field.file : undefined))]
  if (files.filter((file) => file === '-').length > 1)
    throw new UsageError('two options read standard input, which can be read only once', { hint: HELP })
  return Promise.all(fields.map((field) => filled(field, world.stdin)))
}

async function bodyOf(
  { world }: Session,
  { input }: ApiOptions,
  fields: readonly Field[],
  onBytes: (count: number) => void,
): Promise<ApiBody | null> {
  if (input === '-') {
    if (world.stdin.isTTY === true)
      throw new UsageError('the body is read from standard input, which is a terminal here', {
        hint: hints.fed('hq-token api --input - PATH'),
      })
    return streamBody(world.stdin, 'standard input', onBytes)
  }
  if (input !== undefined) return fileBody(input, onBytes)
  return fields.length === 0 ? null : textBody(JSON.stringify(fieldsObject(fields)))
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** As in curl, a header given twice is sent twice, and one without a value is not sent, nor is our own of that name. */
function headersOf(lines: readonly string[]): Headers {
  const headers = new Map<string, string[]>()
  for (const [index, line] of lines.entries()) {
    const [, given = '', value = ''] = HEADER.exec(line) ?? []
    if (given === '')
      // Name its number, because its text may be a secret whose name was forgotten.
      throw new UsageError(`the header of -H number ${index + 1} is not "name: value"`, {
        hint: 'hq-token api -H "Accept: application/xml" 1/sites',
      })
    if (OURS.test(given))
      throw new UsageError(`the header ${given} is set by hq-token itself`, { hint: 'remove that -H option' })
    const values = headers.get(given.toLowerCase()) ?? []
    headers.set(given.toLowerCase(), value.trim() === '' ? values : [...values, value])
  }
  return Object.fromEntries(
    [...headers].map(([name, values]) => [name, values.length > 1 ? values : values[0]]),
  )
}

async function write(
  { world }: Session,
  url: URL,
  { status, statusText, headers, body }: ApiResponse,
  sink: Destination,
  { include }: ApiOptions,
): Promise<void> {
  const length = Number(headers['content-length'])
  const shown = progress(
    sink.isTerminal ? new Writable() : world.stderr,
    'received',
    length > 0 ? length : null,
  )
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().map((value) => `${name}: ${value}\r\n`),
  )
  async function* answer(): AsyncGenerator<Buffer> {
    if (include === true) yield Buffer.from(`HTTP/1.1 ${status} ${statusText}\r\n${lines.join('')}\r\n`)
    if (sink.isTerminal && !isText(headers)) {
      if (isSuccess(status)) throw notForTerminals(headers)
      return
    }
    for await (const chunk of body as AsyncIterable<Buffer>) {
      shown.add(chunk.byteLength)
      yield chunk
    }
  }
  try {
    await pipeline(sink.isTerminal ? escaped(answer()) : answer(), sink.stream)
    sink.done()
  } catch (error) {
    sink.discard()
    throw sink.failure() ?? asUnavailable(url, error)
  } finally {
    body.destroy()
    shown.end()
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299
}

/** An answer without a content type is taken for text, so it is escaped. */
function isText({ 'content-type': type = '', 'content-encoding': coding = 'identity' }: Headers): boolean {
  return (
    coding === 'identity' &&
    /^(?:|text\/.*|application\/(?:.*\+)?(?:json|xml|javascript|x-www-form-urlencoded)(?:;.*)?)$/i.test(
      String(type).trim(),
    )
  )
}

function notForTerminals({ 'content-type': type = 'unknown' }: Headers): UsageError {
  return new UsageError(`the answer is not text (${String(type)}) and is not written to a terminal`, {
    hint: 'write it to a file: hq-token api -o FILE …',
  })
}

/** Escapes an answer, because it may hold commands for the terminal that shows it. */
async function* escaped(answer: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const text = new TextDecoder()
  for await (const chunk of answer) yield printableText(text.decode(chunk, { stream: true }))
  yield printableText(text.decode())
}

/** Words what undici says against a request before it sends any of it, and against a redirect. */
function notMade(error: unknown, call: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (message.startsWith('Redirect loop'))
    return new ApiRefused(`${call}: redirects in a circle`, { cause: error })
  if (code === 'ERR_INVALID_URL' || message.startsWith('Invalid URL'))
    return new ApiRefused(`${call}: redirects to something that is not an address`, { cause: error })
  // undici's message names a header and does not quote its value.
  if (/^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED)$/.test(code))
    return new UsageError(`the call cannot be made: ${message}`, { hint: HELP, cause: error })
  return error
}

function refusal(
  { status, statusText, headers, isRefused }: ApiResponse,
  method: string,
  url: URL,
  sent: ApiBody | null,
): ApiRefused {
  const said = `${method} ${url.origin}${url.pathname}: HTTP ${status} ${statusText}`.trim()
  const { location } = headers
  if (status >= 300 && status <= 399 && typeof location === 'string')
    return new ApiRefused(said, { hint: redirection(method, location, url, sent) })
  if (!isRefused) return new ApiRefused(said)
  return new ApiRefused(said, {
    hint:
      sent?.isRepeatable === false
        ? 'the token was renewed, but a body from a pipe cannot be sent again: run the same command again'
        : 'the API refused the new token too; check what the user of the token may do there: hq-token status',
  })
}

/** Leaves the query out, because it may be a secret: such an address is often all that one needs. */
function redirection(method: string, location: string, url: URL, sent: ApiBody | null): string {
  const to = URL.canParse(location, url.href) ? new URL(location, url) : null
  const where = to === null ? 'to something that is not an address' : `to ${to.origin}${to.pathname}`
  if (!/^(?:GET|HEAD)$/.test(method))
    return `a request that changes something does not follow a redirect; this one leads ${where}`
  return sent === null
    ? `there are too many redirects; the last one leads ${where}`
    : `a request with a body does not follow a redirect; this one leads ${where}`
}
