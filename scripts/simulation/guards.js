// Takes the guards out, one after the other, and tells how many schedules it took until one broke a rule.
import { availableParallelism } from 'node:os'
import { GUARDS, RARE } from '../../test/faults/breaks/simulation.js'
import { bundle } from './bundle.js'
import { table, writeGuards } from './page.js'
import { employ } from './worker.js'

/**
 * @param name Chooses the guards whose names hold it.
 * @param most Schedules that a guard may need.
 * @returns The exit code.
 */
export async function findGuards(name, most) {
  const chosen = GUARDS.filter((guard) => guard.name.includes(name))
  const left = [...chosen.entries()]
  const found = []
  const next = async () => {
    const [index, guard] = left.shift() ?? []
    if (guard === undefined) return undefined
    const { first, and = [], ...edit } = guard
    const file = await bundle(`guard-${index + 1}`, [edit, ...and])
    return { index, file, from: first, step: 2, count: most, mostBroken: 1 }
  }
  const done = ({ schedules, broken: [broken] }, { index }) => {
    const row = [
      chosen[index].name,
      broken === undefined ? `not in ${schedules}` : String(schedules),
      broken === undefined ? '' : short(broken.rule),
    ]
    found[index] = { row, isFound: broken !== undefined || RARE.has(chosen[index].name) }
    process.stderr.write(`${row.join(' | ')} (seed ${broken?.seed})\n`)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, () => employ(next, done)))
  const text = table(
    ['guard', 'found after schedules', 'the rule that broke'],
    found.map(({ row }) => row),
  )
  process.stdout.write(text)
  // Another guard may hold behind one that is rare.
  const areAllFound = found.every(({ isFound }) => isFound)
  if (areAllFound && chosen.length === GUARDS.length) writeGuards(text)
  return areAllFound ? 0 : 1
}

/** The rule without the names of this schedule. */
function short(rule) {
  return rule
    .split('\n')[0]
    .replace(/\bh\d+\/[a-z]+-\d+/g, 'a process')
    .replace(/\b(?:refresh|access)-[\d.]+(?:, refresh-[\d.]+)*/g, 'a token')
    .replace(/\bcode-\d+/g, 'a code')
    .replace(/\bhost-\d+/g, 'a host')
    .replace(/, but: .*/, ', but no host is served')
    .replace(/^(although a person has logged in): .*/, '$1, no host is served')
    .replaceAll('|', '\\|')
}
