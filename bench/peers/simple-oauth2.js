// The plain script that hq-token takes the place of: a JSON file, and simple-oauth2 to look at it and to refresh.
import { readFileSync, writeFileSync } from 'node:fs'
import { AuthorizationCode } from 'simple-oauth2'

const [file, tokenHost] = process.argv.slice(2)
const client = new AuthorizationCode({ client: { id: '1012', secret: 'secret' }, auth: { tokenHost } })
let token = client.createToken(JSON.parse(readFileSync(file, 'utf8')))
if (token.expired(60)) {
  token = await token.refresh()
  writeFileSync(file, JSON.stringify(token))
}
console.log(token.token.access_token)
