import { program } from './place.js'
import { alternate } from './processes.js'
import { kB, MB, ms, ns, row } from './rows.js'

/** A program of the folder `inside`: each run is a process of its own, so that none is optimized for another's work. */
async function run({ stopwatch }, env, name, ...args) {
  const { outputs } = await stopwatch.run({
    argv: [process.execPath, '--expose-gc', program(`inside/${name}`), ...args],
    env,
  })
  return JSON.parse(outputs[0])
}

/** `guard.token()` while the token is fresh. */
export async function token(bench) {
  const ask = (source) => () => run(bench, bench.place.fresh.env, 'token.js', source)
  const {
    'hq-token': { each: ours },
    ...peers
  } = await alternate(
    Object.fromEntries(
      ['hq-token', 'google-auth-library', 'simple-oauth2'].map((source) => [source, ask(source)]),
    ),
    7,
  )
  const what = 'fresh `guard.token()`'
  return [
    row({ what, unit: ns, ours, most: 1e-6, target: 'a million a second (1000 ns)' }),
    ...Object.entries(peers).map(([beside, { each }]) =>
      row({
        what,
        unit: ns,
        ours,
        beside: `a fresh token of ${beside}`,
        theirs: each,
        most: 1,
        target: 'faster',
      }),
    ),
  ]
}

/** Requests that carry the token. */
export async function requests(bench) {
  const send = (way) => () => run(bench, bench.place.fresh.env, 'requests.js', way, bench.place.plain)
  const { ours, idle, bare } = await alternate(
    { ours: send('interceptor'), idle: send('pass-through'), bare: send('fixed header') },
    15,
  )
  const what = (figure) => `1000 requests at once through the interceptor, ${figure}`
  const compare = (figure, beside, theirs, more) =>
    row({ what: what(figure), unit: ms, ours: ours[figure], beside, theirs: theirs[figure], ...more })
  const limit = { most: 1.05, target: 'at most 1.05 times' }
  return [
    ...['wall', 'cpu'].map((figure) =>
      compare(figure, 'undici with an interceptor that does nothing', idle, limit),
    ),
    ...['wall', 'cpu'].map((figure) => compare(figure, 'undici with a fixed header', bare)),
  ]
}

/** Refreshes one after the other, the store and its syncs included. */
export async function refreshes(bench) {
  const { env, database } = bench.place.expiredPlain
  const { first, second, last } = await run(bench, env, 'refreshes.js', database)
  const compare = (figure, unit, what, more) =>
    row({
      ...{ what: `${what}, the last thousand of 10,000`, unit, ours: last[figure] },
      ...{
        beside: 'the first thousand',
        theirs: first[figure],
        most: 1.1,
        target: 'flat (within 10 %)',
        ...more,
      },
    })
  return [
    compare('cpu', ms, 'a refresh, cpu'),
    compare('wall', ms, 'a refresh, wall'),
    compare('store', kB, 'size of the store', { most: 1, target: 'the same' }),
    compare('heap', MB, 'memory in use'),
    // In the first, V8 is still compiling.
    compare('resident', MB, 'resident memory', { beside: 'the second thousand', theirs: second.resident }),
  ]
}
