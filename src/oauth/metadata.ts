// What is read of a server's metadata (RFC 8414 section 2): three addresses, each fit for secrets. Only an `import()` may
// load this file, because zod takes longer to load than Node to start, and a refresh needs no metadata.
import { z } from 'zod'
import { addressProblem } from '../core/address.js'

const address = z.string('is not text').superRefine((text, context) => {
  const problem = addressProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

/** Some servers write `null` or nothing for what they do not have. */
const endpoint = z.preprocess(
  (value) => (value === '' || value === undefined ? null : value),
  address.nullable(),
)

const metadata = z.object({
  token_endpoint: endpoint,
  authorization_endpoint: endpoint,
  revocation_endpoint: endpoint,
})

/** The endpoints that a server names; `null` for what it does not have. */
export type Endpoints = z.infer<typeof metadata>

/**
 * Reads the endpoints out of a server's metadata.
 *
 * @returns What is wrong with the first that cannot be used, in words that hold nothing of the document.
 */
export function endpointsIn(document: unknown): Endpoints | string {
  const { data, error } = metadata.safeParse(document)
  if (data !== undefined) return data
  const [{ path, message } = { path: [], message: 'are no metadata' }] = error.issues
  return [...path, message].join(' ')
}
