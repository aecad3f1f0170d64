import { join } from 'node:path'
import { program } from './place.js'
import { alternate, BARE } from './processes.js'
import { ms, row, seconds } from './rows.js'

const exchange = (url) => ({
  argv: [process.execPath, program('peers/exchange.js'), `${url}api/oauth2/token`],
  prints: /^access/,
})

/** `get` that has to refresh. */
export async function refreshing({ place, stopwatch }) {
  const { dir, expired, tls } = place
  // An authority of the test's own, which both are told of in the way that leaves them as they are for the public ones.
  const trusting = (command) => ({
    ...command,
    env: { ...command.env, NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem') },
  })
  const { get, bare } = await alternate(
    {
      get: () => once(place, expired, () => stopwatch.run(trusting(expired.get))),
      bare: () => stopwatch.cost(trusting(exchange(tls))),
    },
    21,
  )
  return ['wall', 'cpu'].map((figure) =>
    row({
      ...{ what: `\`get\` that refreshes, ${figure}`, unit: ms, ours: get[figure], theirs: bare[figure] },
      ...{ beside: 'one process with a bare `https.request`', most: 2, target: 'at most 2 times' },
    }),
  )
}

/** By how many at once, how often it is measured. */
const STORMS = { 2: 11, 10: 7, 60: 5, 200: 3 }

/** Many `get`s at the instant at which the token is over. */
export async function storm({ place, stopwatch }) {
  const { expiredPlain, plain } = place
  const single = await alternate(
    { bare: () => stopwatch.cost(BARE), exchange: () => stopwatch.cost(exchange(plain)) },
    15,
  )
  const oneExchange = single.exchange.wall - single.bare.wall
  const storms = []
  for (const [size, rounds] of Object.entries(STORMS)) {
    const atOnce = Number(size)
    const { gets, bare } = await alternate(
      {
        gets: () => once(place, expiredPlain, () => stopwatch.run({ ...expiredPlain.get, atOnce })),
        bare: () => stopwatch.cost({ ...BARE, atOnce }),
      },
      rounds,
      0,
    )
    storms.push({ size, ours: gets.wall, theirs: bare.wall + oneExchange })
  }
  const [first, last] = [storms[0], storms.at(-1)]
  return [
    ...storms.map(({ size, ...walls }) =>
      row({
        ...{ what: `${size} \`get\`s at once at expiry, wall`, unit: seconds, ...walls },
        ...{ beside: 'as many `node -e 0`, and one exchange', most: 1.5, target: 'at most 1.5 times' },
      }),
    ),
    row({
      ...{ what: `${last.size} beside ${first.size}`, unit: (times) => `${times.toFixed(1)} times` },
      ...{ ours: last.ours / first.ours, beside: 'the same', theirs: last.theirs / first.theirs },
      ...{ most: 1, target: 'grows no faster' },
    }),
  ]
}

/** @throws where it took more or less than one exchange, or not all got the one token. */
async function once({ exchanges }, store, work) {
  store.reset()
  const before = exchanges()
  const { cost, outputs } = await work()
  if (exchanges() !== before + 1 || new Set(outputs).size !== 1)
    throw new Error(
      `${outputs.length} gets: ${exchanges() - before} exchanges, ${new Set(outputs).size} tokens`,
    )
  return cost
}
