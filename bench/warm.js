import { PEERS } from './peers.js'
import { alternate, bare as bareNode, openedBeyondBare } from './processes.js'
import { MB, missing, ms, row } from './rows.js'

const WHAT = 'warm `get`'

/** `get` of a token that is fresh, on one Node. */
export async function warm({ place, stopwatch }, node) {
  const command = place.fresh.get(node)
  const { get, bare } = await alternate(
    { get: () => stopwatch.cost(command), bare: () => stopwatch.cost(bareNode(node.path)) },
    31,
  )
  const compare = (figure, unit, most, target = `at most ${most} times`) =>
    row({
      ...{ what: `${WHAT}, ${figure}`, unit, ours: get[figure], beside: '`node -e 0`', theirs: bare[figure] },
      ...{ most, target },
    })
  return [
    compare('cpu', ms, node.major === 24 ? 1.2 : 1.3, 'at most 1.3 times; 1.2 on Node 24'),
    compare('wall', ms, 1.35),
    compare('peak', MB, 1.15),
    await opens(command),
  ]
}

/** `check` of the same token. */
export async function check({ place, stopwatch }) {
  const get = place.fresh.get()
  const command = {
    ...get,
    argv: get.argv.map((word) => (word === 'get' ? 'check' : word)),
    prints: /^HQ_TOKEN OK/,
  }
  const found = await alternate(
    { check: () => stopwatch.cost(command), bare: () => stopwatch.cost(bareNode()) },
    21,
  )
  return [
    row({
      ...{
        what: '`check`, cpu',
        unit: ms,
        ours: found.check.cpu,
        beside: '`node -e 0`',
        theirs: found.bare.cpu,
      },
      ...{ most: 2.7, target: 'at most 2.7 times' },
    }),
  ]
}

async function opens(command) {
  const what = `${WHAT}, files opened beyond those of \`node -e 0\``
  const target = 'at most 11'
  try {
    return row({ what, ours: (await openedBeyondBare(command)).files.length, most: 11, target })
  } catch (error) {
    return missing(what, '', target, error)
  }
}

/** The same beside all else that prints a token. */
export async function peers({ place, stopwatch }) {
  const commands = { get: place.fresh.get() }
  const absent = []
  for (const [name, setUp] of Object.entries(PEERS))
    try {
      commands[name] = setUp(place)
    } catch (error) {
      absent.push(...['cpu', 'wall'].map((figure) => missing(`${WHAT}, ${figure}`, name, 'faster', error)))
    }
  const measured = Object.entries(commands).map(([name, command]) => [name, () => stopwatch.cost(command)])
  const { get, ...others } = await alternate(Object.fromEntries(measured), 31)
  const rows = Object.entries(others).flatMap(([beside, other]) =>
    ['cpu', 'wall'].map((figure) =>
      row({
        ...{ what: `${WHAT}, ${figure}`, unit: ms, ours: get[figure], beside, theirs: other[figure] },
        ...{ most: 1, target: 'faster' },
      }),
    ),
  )
  return [...rows, ...absent]
}
