/**
 * Turns an answer that was kept with its head, because Node's parser refused it, into an ordinary one. Pure and
 * total.
 */
import type { RawAnswer } from '../core/ports.js'
import { readLeniently } from '../network/lenient-http.js'

/** Returns any other answer as it is. */
export function ordinary(answer: RawAnswer): RawAnswer {
  if (answer.isRaw !== true) return answer
  const { status, fields, body, surplus, isWhole } = readLeniently(answer.body)
  const isCut = surplus.some((byte) => byte > 0x20) && !isWholeText(body)
  return {
    ...answer,
    status: answer.status ?? status,
    contentType: answer.contentType ?? fields.get('content-type') ?? null,
    contentEncoding: answer.contentEncoding ?? fields.get('content-encoding') ?? null,
    retryAfter: answer.retryAfter ?? fields.get('retry-after') ?? null,
    date: answer.date ?? fields.get('date') ?? null,
    body: isCut ? Buffer.concat([body, surplus]) : body,
    complete: answer.complete,
    // A length that is too small does not show that the body is whole.
    isFramed: isWhole && !isCut,
    isRaw: false,
  }
}

/** Whether a text has its end: JSON, or markup. */
function isWholeText(body: Buffer): boolean {
  const text = body.toString('utf8').trim()
  if (text.startsWith('<')) return text.endsWith('>')
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
