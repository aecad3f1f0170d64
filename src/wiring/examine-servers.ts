// Asks the servers what `doctor` wants to know. Shows the refresh token and the client secret to none of them.
import { namedClient, type Config } from '../config/load.js'
import type { Clock } from '../core/clock.js'
import { fail, skip, type Finding } from '../core/finding.js'
import { mayUse } from '../core/ownership.js'
import { ageOf } from '../core/policy.js'
import type { TokenSet } from '../core/token-set.js'
import type { Network } from '../network/network.js'
import { assertWay } from '../network/no-proxy.js'
import type { ProbeAnswer, ProbeRequest } from '../network/probe.js'
import { thisSystem } from '../platform/access-control.js'
import { packageVersion } from '../version.js'
import { openNetwork, type Around } from './open.js'

/** Asks all servers at once, so that a silent network takes no longer than one probe. */
export async function inspectServers(
  config: Config,
  online: boolean,
  set: TokenSet | undefined,
  { clock }: Around,
): Promise<readonly Finding[]> {
  const { probe } = await import('../network/probe.js')
  const { inspectWay, unanswered } = await import('../network/inspect.js')
  const { proxy, proxyFrom } = config.network
  const proxyShown = proxy === null ? null : `${proxy.origin} (${proxyFrom ?? ''})`
  const { systemProxy } = await import('../platform/system-proxy.js')
  const system = proxy === null ? systemProxy(thisSystem) : null
  const network = await openNetwork(config)
  const asked = await questionsFor(config, online, set, clock, network)
  try {
    for (const { request } of asked) assertWay(request.url, config.network)
  } catch (error) {
    return [
      fail('proxy', error),
      ...asked.map(({ name, request: { url } }) => skip(name, `needs a connection to ${url.host}`)),
    ]
  }
  const questions = await Promise.all(
    asked.map(async (question) => {
      const headers = { ...question.request.headers, 'user-agent': `hq-token/${packageVersion()}` }
      const found = await probe(network, proxy, { ...question.request, headers })
      return { ...question, found, now: clock().now }
    }),
  )
  const origins = [...new Set(questions.map(({ found }) => found.url.origin))]
  const ways = origins.map((origin) => {
    const there = questions.filter(({ found }) => found.url.origin === origin)
    const best = there.find(({ found }) => found.answer !== null) ?? there[0]
    return best === undefined ? undefined : inspectWay(best.found, proxyShown, best.now, system)
  })
  const verdicts = questions.map(async ({ name, found, judge }) => {
    if (ways[origins.indexOf(found.url.origin)]?.isReached !== true)
      return skip(name, `needs a connection to ${found.url.host}`)
    return found.answer === null ? unanswered(name, found) : judge(found.answer)
  })
  const left = online ? whyNoApi(config, set) : []
  return [...ways.flatMap((way) => way?.checks ?? []), ...(await Promise.all(verdicts)), ...left]
}

function whyNoApi(config: Config, set: TokenSet | undefined): Finding[] {
  if (config.apiUrl === null)
    return [skip('API', 'neither instance nor api_url in [client] of the config names one')]
  if (set === undefined) return [skip('API', 'needs a token set')]
  return mayUse(set, namedClient(config), config.apiUrl)
    ? []
    : [skip('API', 'the token in the store is another client’s')]
}

interface Question {
  readonly name: string
  readonly request: ProbeRequest
  readonly judge: (answer: ProbeAnswer) => Finding | Promise<Finding>
}

async function questionsFor(
  config: Config,
  online: boolean,
  set: TokenSet | undefined,
  clock: Clock,
  network: Network,
): Promise<readonly Question[]> {
  const { tokenUrl, authorizeUrl, apiUrl, instance, issuer, redirectUri } = config
  const oauth = await import('../oauth/inspect.js')
  const questions: Question[] = []
  if (tokenUrl !== null)
    questions.push({
      name: oauth.TOKEN_URL,
      request: { url: tokenUrl, ...oauth.IDLE_TOKEN_REQUEST },
      judge: (answer) => oauth.inspectTokenUrl(tokenUrl, answer),
    })
  if (authorizeUrl !== null)
    questions.push({
      name: oauth.AUTHORIZE_URL,
      request: { url: authorizeUrl, method: 'GET', headers: { accept: 'text/html' } },
      judge: (answer) => oauth.inspectAuthorizeUrl(authorizeUrl, answer),
    })
  if (issuer !== null && tokenUrl === null)
    questions.push({
      name: oauth.ISSUER,
      request: { url: oauth.metadataUrl(issuer), method: 'GET', headers: { accept: 'application/json' } },
      judge: () =>
        oauth.inspectIssuer(
          ...([issuer, network.agent({ connectMs: 10_000, idleMs: 15_000 }), clock().now] as const),
          authorizeUrl === null && redirectUri !== null,
        ),
    })
  if (online && apiUrl !== null && set !== undefined && mayUse(set, namedClient(config), config.apiUrl)) {
    const { API, inspectApi } = await import('../bearer/inspect.js')
    const { authorization } = await import('../bearer/tokens.js')
    // HighQ's API has nothing at its root.
    const url = instance === null ? apiUrl : new URL('1/sites', apiUrl)
    const isOver = ageOf(set.pair, clock()).age >= set.pair.lifetime
    const headers = { accept: 'application/json', authorization: authorization(set.pair.accessToken) }
    questions.push({
      name: API,
      request: { url, method: 'GET', headers },
      judge: ({ status }) => inspectApi(url, status, isOver),
    })
  }
  return questions
}
