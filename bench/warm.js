import { PEERS } from './peers.js'
import { alternate, BARE, openedBeyondBare } from './processes.js'
import { MB, missing, ms, row } from './rows.js'

/** `get` of a token that is fresh, beside all else that prints one. */
export async function warm({ place, stopwatch }) {
  const commands = { bare: BARE, get: place.fresh.get }
  const absent = []
  for (const [name, setUp] of Object.entries(PEERS))
    try {
      commands[name] = setUp(place)
    } catch (error) {
      absent.push(missing('warm `get`', name, 'faster', error))
    }
  const measured = Object.entries(commands).map(([name, command]) => [name, () => stopwatch.cost(command)])
  const { bare, get, ...peers } = await alternate(Object.fromEntries(measured), 41)

  const compare = (figure, beside, theirs, more) =>
    row({
      what: `warm \`get\`, ${figure}`,
      unit: ms,
      ours: get[figure],
      beside,
      theirs: theirs[figure],
      ...more,
    })
  return [
    ...['cpu', 'wall'].map((figure) =>
      compare(figure, '`node -e 0`', bare, { most: 1.35, target: 'at most 1.35 times (aim: 1.2)' }),
    ),
    ...Object.entries(peers).flatMap(([name, peer]) =>
      ['cpu', 'wall'].map((figure) => compare(figure, name, peer, { most: 1, target: 'faster' })),
    ),
    ...absent,
    compare('peak', '`node -e 0`', bare, { unit: MB, most: 1.15, target: 'at most 1.15 times' }),
    await opens(place),
  ]
}

async function opens({ fresh }) {
  const what = 'warm `get`, files opened beyond those of `node -e 0`'
  const target = 'at most 12'
  try {
    return row({ what, ours: (await openedBeyondBare(fresh.get)).files.length, most: 12, target })
  } catch (error) {
    return missing(what, '', target, error)
  }
}
