// The API from a Node program, with the same configuration and store as the command line.
//
//   npm install hq-token
//   node sites.mjs
//
// Ends with hq-token's exit codes: 4 when a person must log in, 75 when it may work later, and so on.
// @ts-check
import { openGuard, TokenError } from 'hq-token'
import { tokenFetch } from 'hq-token/undici'

try {
  const guard = await openGuard()
  if (guard.apiUrl === null) throw new Error('set instance or api_url in the configuration')
  // Carries the token to the API and to no other origin; refreshes and repeats once if it is refused.
  const fetch = tokenFetch(guard)

  const response = await fetch(new URL('1/sites', guard.apiUrl), { headers: { accept: 'application/json' } })
  if (!response.ok) throw new Error(`the API answered ${response.status}`)
  const { site } = /** @type {{ site: { id: number, sitename: string }[] }} */ (await response.json())
  for (const { id, sitename } of site) console.log(`${id}\t${sitename}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof TokenError && error.hint !== undefined) console.error(error.hint)
  process.exitCode = error instanceof TokenError ? error.exit : 1
}
