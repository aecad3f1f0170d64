// The API from a Node program, with the same configuration and store as the command line.
//
//   npm install hq-token
//   node sites.mjs
//
// Ends with hq-token's exit codes: 4 when a person must log in, 22 when the API answers with an error, 75
// when it may work later, and so on; a failure of the network is 75 too.
// @ts-check
import { Exit, openGuard, TokenError } from 'hq-token'
import { tokenFetch } from 'hq-token/undici'

try {
  const guard = await openGuard()
  // Carries the token to the API and to no other origin; refreshes and repeats once if it is refused.
  const fetch = tokenFetch(guard)

  const response = await fetch('1/sites', { headers: { accept: 'application/json' } })
  if (response.ok) {
    const { site } = /** @type {{ site: { id: number, sitename: string }[] }} */ (await response.json())
    for (const { id, sitename } of site) console.log(`${id}\t${sitename}`)
  } else {
    console.error(`the API answered ${response.status}: ${await response.text()}`)
    process.exitCode = Exit.api
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof TokenError && error.hint !== undefined) console.error(error.hint)
  // What fetch rejects with otherwise is the network's.
  process.exitCode = error instanceof TokenError ? error.exit : Exit.later
}
