import { join } from 'node:path'
import { program } from './place.js'
import { alternate, bare as bareNode, busiest, looksOf } from './processes.js'
import { MB, missing, ms, row, seconds } from './rows.js'

const exchange = ({ path }, url) => ({
  argv: [path, program('peers/exchange.js'), `${url}api/oauth2/token`],
  prints: /^access/,
})

/** `get` that has to refresh, on one Node. */
export async function refreshing({ place, stopwatch }, node) {
  const { dir, expired, tls } = place
  // An authority of the test's own, which both are told of in the way that leaves them as they are for the public ones.
  const trusting = (command) => ({
    ...command,
    env: { ...command.env, NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem') },
  })
  const { get, bare } = await alternate(
    {
      get: () => once(place, expired, () => stopwatch.run(trusting(expired.get(node)))),
      bare: () => stopwatch.cost(trusting(exchange(node, tls))),
    },
    21,
  )
  const compare = (figure, unit, most) =>
    row({
      ...{ what: `\`get\` that refreshes, ${figure}`, unit, ours: get[figure], theirs: bare[figure] },
      ...{ beside: 'one process with a bare `https.request`', most, target: `at most ${most} times` },
    })
  return [compare('cpu', ms, 2), compare('wall', ms, 2), compare('peak', MB, 1.3)]
}

/** By how many at once, how often it is measured, and how many times as long it may take. */
const STORMS = {
  2: { rounds: 11, most: 2.5 },
  10: { rounds: 7, most: 1.5 },
  60: { rounds: 5, most: 1.5 },
  200: { rounds: 3, most: 1.5 },
}

/** Many `get`s at the instant at which the token is over, on one Node. */
export async function storm({ place, stopwatch }, node) {
  const { expiredPlain, plain } = place
  const bare = bareNode(node.path)
  const get = expiredPlain.get(node)
  const single = await alternate(
    { bare: () => stopwatch.cost(bare), exchange: () => stopwatch.cost(exchange(node, plain)) },
    15,
  )
  const oneExchange = single.exchange.wall - single.bare.wall
  const storms = []
  for (const [size, { rounds, most }] of Object.entries(STORMS)) {
    const atOnce = Number(size)
    const walls = await alternate(
      {
        gets: () => once(place, expiredPlain, () => stopwatch.run({ ...get, atOnce })),
        bare: () => stopwatch.cost({ ...bare, atOnce }),
      },
      rounds,
      0,
    )
    storms.push({ size, most, ours: walls.gets.wall, theirs: walls.bare.wall + oneExchange })
  }
  const [first, last] = [storms[0], storms.at(-1)]
  return [
    ...storms.map(({ size, most, ...walls }) =>
      row({
        ...{ what: `${size} \`get\`s at once at expiry, wall`, unit: seconds, ...walls },
        ...{ beside: 'as many `node -e 0`, and one exchange', most, target: `at most ${most} times` },
      }),
    ),
    row({
      ...{ what: `${last.size} beside ${first.size}`, unit: (times) => `${times.toFixed(1)} times` },
      ...{ ours: last.ours / first.ours, beside: 'the same', theirs: last.theirs / first.theirs },
      ...{ most: 1, target: 'grows no faster' },
    }),
    ...(await looks(place, stopwatch, { ...get, atOnce: Number(last.size) })),
  ]
}

/** How often the processes that wait look whether they need to, and how many of them do at one instant. */
async function looks(place, stopwatch, command) {
  const [all, atOnce] = ['in all', 'in the busiest 10 ms'].map(
    (when) => `looks by ${command.atOnce - 1} that wait, ${when}`,
  )
  const { expiredPlain } = place
  try {
    let times
    await once(place, expiredPlain, async () => {
      const { looks, ...result } = await looksOf(stopwatch, command)
      times = looks
      return result
    })
    return [row({ what: all, ours: times.length }), row({ what: atOnce, ours: busiest(times, 0.01) })]
  } catch (error) {
    return [all, atOnce].map((what) => missing(what, '', '', error))
  }
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
