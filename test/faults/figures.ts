import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** `FAULTS=full` tries every point, `FAULTS=soak` is for a night; else a sample, so that `npm test` stays short. */
export const run: 'short' | 'full' | 'soak' =
  process.env['FAULTS'] === 'full' || process.env['FAULTS'] === 'soak' ? process.env['FAULTS'] : 'short'
export const full = run !== 'short'

/** The harnesses that count, in the order of the table in `docs/reliability.md`. */
export const HARNESSES = {
  kill: 'killed at every system call',
  'crash-points': 'killed at every step of the program, without strace',
  'io-errors': 'an I/O error at every system call',
  'power-cut': 'power cut before and after every sync',
  'power-cut-mixes': 'power cut in the save, with any mix of the sectors that were not synced',
  disk: 'disk full or read-only',
  chaos: 'eight processes at once, half of them killed at random',
  storm: 'hundreds of processes released at one instant',
  lock: 'the lock removed, dropped, and asked for by several copies in one process',
  signals: 'signals, stops and a terminal that takes nothing, between the request and the save',
  network: 'what a network does to an exchange',
  answers: 'what a token endpoint says',
  inputs: 'seed and config files',
  clock: 'clocks that lie',
  hostile: 'places and surroundings that others prepared',
  'side-by-side': 'seeds, refreshes and reads side by side',
  copies: 'copied and older stores',
} as const

/** The harnesses of a shared store, which `npm run test:fleet` runs. */
export const FLEET_HARNESSES = {
  fleet: 'a host of a shared store killed, stopped or cut off at every stage',
  'fleet-database': 'a shared store’s database restarted, away, failed over or put back',
  'fleet-crowd': 'many hosts and clients of a shared store at once, and hosts whose clocks differ',
} as const

const TITLES = { ...HARNESSES, ...FLEET_HARNESSES }
export type Harness = keyof typeof TITLES

export interface Figures {
  /** What was tried, with its count: `331 points`. */
  readonly tried: string
  /** Grants or tokens lost; absent where none was at stake. */
  readonly lost?: number
  /** Of `lost`: what no client could have saved, because the answer was in no file yet. */
  readonly beyondAnyClient?: number
  /** What else was counted, as clauses joined by a comma. */
  readonly seen?: string
}

const ARTIFACTS = fileURLToPath(new URL('../../artifacts/', import.meta.url))

/**
 * Prints what a harness has tried and what it cost, and leaves it for `scripts/reliability.js`, which
 * makes the tables of the docs from it.
 */
export function report(harness: Harness, figures: Figures): void {
  const place = Object.keys(TITLES).indexOf(harness)
  const kept = { harness, title: TITLES[harness], place, run, ...figures }
  const folder = `${ARTIFACTS}${harness in HARNESSES ? 'faults' : 'fleet'}/`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}${harness}.json`, `${JSON.stringify(kept, null, 2)}\n`)
  process.stdout.write(`${harness}: ${sentence(figures)}\n`)
}

function sentence({ tried, lost, beyondAnyClient = 0, seen }: Figures): string {
  const excused = beyondAnyClient > 0 ? ` (${beyondAnyClient} of them beyond any client)` : ''
  const losses = lost === undefined ? [] : [`${lost} lost${excused}`]
  return `${tried}: ${[...losses, ...(seen === undefined ? [] : [seen])].join(', ')}`
}
