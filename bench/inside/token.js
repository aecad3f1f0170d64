// Asks one source of tokens for a fresh one, again and again; prints the seconds that one answer takes.
import { OAuth2Client } from 'google-auth-library'
import { AuthorizationCode } from 'simple-oauth2'
import { entry } from '../place.js'

const LATER = Date.now() + 36_000_000

const SOURCES = {
  'hq-token': async () => {
    const { openGuard } = await entry('.')
    const guard = await openGuard()
    return () => guard.token()
  },
  'google-auth-library': () => {
    const client = new OAuth2Client()
    client.setCredentials({ access_token: 'access', refresh_token: 'refresh', expiry_date: LATER })
    return () => client.getAccessToken()
  },
  // It only looks; its users write the rest.
  'simple-oauth2': () => {
    const client = new AuthorizationCode({
      client: { id: '1012', secret: 'secret' },
      auth: { tokenHost: 'https://a' },
    })
    const token = client.createToken({ access_token: 'access', refresh_token: 'refresh', expires_at: LATER })
    return () => token.expired()
  },
}

const source = await SOURCES[process.argv[2]]()

async function measured(milliseconds) {
  const begun = performance.now()
  let asked = 0
  let spent
  do {
    for (let i = 0; i < 100; i++) await source()
    asked += 100
    spent = performance.now() - begun
  } while (spent < milliseconds)
  return spent / 1000 / asked
}

await measured(300)
console.log(JSON.stringify({ each: await measured(1000) }))
