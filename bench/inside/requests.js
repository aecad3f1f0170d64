// A thousand requests at once, again and again, with a token; prints the median of seconds that a thousand take.
import { Agent } from 'undici'
import { entry } from '../place.js'
import { median } from '../processes.js'

const [way, api] = process.argv.slice(2)
const AT_ONCE = 1000

const WAYS = {
  interceptor: async () => {
    const { openGuard } = await entry('.')
    const { bearer } = await entry('./undici')
    return { dispatcher: new Agent().compose(bearer(await openGuard(), { origin: api })), headers: {} }
  },
  'fixed header': () => ({
    dispatcher: new Agent(),
    headers: { authorization: `Bearer ${'access.'.padEnd(400, 'x')}` },
  }),
}

const { dispatcher, headers } = await WAYS[way]()

async function call() {
  const { statusCode, body } = await dispatcher.request({
    origin: api,
    path: '/api/1/sites',
    method: 'GET',
    headers,
  })
  await body.json()
  if (statusCode !== 200) throw new Error(`HTTP ${statusCode}`)
}

async function thousand() {
  const begun = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, call))
  return (performance.now() - begun) / 1000
}

const taken = []
for (let round = 0; round < 20; round++) taken.push(await thousand())
// By the sixth, connections and code are warm.
console.log(JSON.stringify({ each: median(taken.slice(5)) }))
process.exit()
