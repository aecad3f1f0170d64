// Writes what was counted into docs/reliability.md, between its markers.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, release, type } from 'node:os'
import { at } from './bundle.js'

const PAGE = at('docs/reliability.md')

const row = (cells) => `| ${cells.join(' | ')} |\n`
export const table = (head, rows) => row(head) + row(head.map(() => '---')) + rows.map(row).join('')

export function writeGuards(text) {
  write('<!-- guards of npm run test:simulate -->', '<!-- end of the guards -->', text + by(' -- --guards'))
}

export function writeSchedules({ schedules, steps, requests, faults }, seconds) {
  const count = (number) => number.toLocaleString('en')
  const all = Object.values(faults).reduce((sum, times) => sum + times, 0)
  const kinds = Object.entries(faults).sort(([, one], [, other]) => other - one)
  const text = `${table(
    ['schedules', 'broke a rule', 'steps', 'requests to the authorization server', 'injected faults'],
    [[count(schedules), 0, count(steps), count(requests), count(all)]],
  )}
The faults: ${kinds.map(([fault, times]) => `${fault} ${count(times)}`).join(', ')}.

`
  write(
    '<!-- schedules of npm run test:simulate -->',
    '<!-- end of the schedules -->',
    text + by('', ` in ${count(Math.round(seconds))} s`),
  )
}

function by(option, rest = '') {
  const machine = `${type()} ${release()}, ${availableParallelism()} cores, Node ${process.version}`
  return `\nPrinted by \`npm run test:simulate${option}\` on ${new Date().toISOString().slice(0, 10)}${rest} (${machine}).\n`
}

function write(begin, end, text) {
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`docs/reliability.md has no place for ${begin}`)
  writeFileSync(PAGE, `${before}${begin}\n\n${text}\n${end}${after}`)
}
