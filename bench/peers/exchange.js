// One exchange and nothing else: no store, no lock, no second try.
import http from 'node:http'
import https from 'node:https'

const url = new URL(process.argv[2])
const form = new URLSearchParams({
  ...{ grant_type: 'refresh_token', refresh_token: 'refresh.'.padEnd(400, 'x') },
  ...{ client_id: '1012', client_secret: 'secret' },
}).toString()
const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length }
const { request } = url.protocol === 'https:' ? https : http
request(url, { method: 'POST', headers }, (response) => {
  let text = ''
  response
    .setEncoding('utf8')
    .on('data', (part) => (text += part))
    .on('end', () => console.log(JSON.parse(text).access_token))
}).end(form)
