// A thousand requests at once, again and again, with a token; prints the seconds that a thousand take on average:
// what happens once a second counts as often as it happens.
import { Agent } from 'undici'
import { entry } from '../place.js'

const [way, api] = process.argv.slice(2)
const AT_ONCE = 1000
const ROUNDS = 50
/** By then, connections and code are warm. */
const UNCOUNTED = 10

const FIXED = { authorization: `Bearer ${'access.'.padEnd(400, 'x')}` }

/** An interceptor as undici documents it, whose handler does nothing but pass every call on. */
const passThrough = (dispatch) => (request, handler) => dispatch(request, new PassThrough(handler))

class PassThrough {
  #handler

  constructor(handler) {
    this.#handler = handler
  }

  onRequestStart(controller, context) {
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(controller, status, headers, socket) {
    this.#handler.onRequestUpgrade?.(controller, status, headers, socket)
  }

  onResponseStart(controller, status, headers, message) {
    this.#handler.onResponseStart?.(controller, status, headers, message)
  }

  onResponseData(controller, chunk) {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller, trailers) {
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller, error) {
    this.#handler.onResponseError?.(controller, error)
  }
}

const WAYS = {
  interceptor: async () => {
    const { openGuard } = await entry('.')
    const { bearer } = await entry('./undici')
    return { dispatcher: new Agent().compose(bearer(await openGuard(), { origin: api })), headers: {} }
  },
  'pass-through': () => ({ dispatcher: new Agent().compose(passThrough), headers: FIXED }),
  'fixed header': () => ({ dispatcher: new Agent(), headers: FIXED }),
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

async function thousands(rounds) {
  const [begun, used] = [performance.now(), process.cpuUsage()]
  for (let round = 0; round < rounds; round++) await Promise.all(Array.from({ length: AT_ONCE }, call))
  const { user, system } = process.cpuUsage(used)
  return { wall: (performance.now() - begun) / 1e3 / rounds, cpu: (user + system) / 1e6 / rounds }
}

await thousands(UNCOUNTED)
console.log(JSON.stringify(await thousands(ROUNDS)))
process.exit()
