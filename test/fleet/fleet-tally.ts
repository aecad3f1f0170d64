import type { Figures } from '../faults/figures.js'
import { STAGES, type Outcome, type Stage } from './fleet-stage.js'

/** What faults of one kind have cost. */
interface Row {
  tried: number
  lost: number
  beyond: number
  requests: number
  readonly cells: Map<string, string>
}

/** Counts cases, and prints them as a table: a fault in each row, a stage in each column. */
export class Tally {
  readonly #rows = new Map<string, Row>()

  /**
   * @param fault Its kind, a colon, and which one of that kind.
   * @param isBeyond Whether no client could have saved the grant.
   */
  count(fault: string, at: string, graceMs: number, { isLost, requests }: Outcome, isBeyond = false): void {
    const name = `${fault}${graceMs === 0 ? '' : ', grace'}`
    const row = this.#rows.get(name) ?? { tried: 0, lost: 0, beyond: 0, requests: 0, cells: new Map() }
    this.#rows.set(name, row)
    row.tried += 1
    row.requests += requests
    row.lost += isLost ? 1 : 0
    row.beyond += isLost && isBeyond ? 1 : 0
    row.cells.set(at, isLost ? (isBeyond ? 'beyond' : 'LOST') : String(requests))
  }

  /** Prints the table too. @param what Names the cases, in the plural. */
  figures(what: string): Figures {
    const rows = [...this.#rows]
    const columns = [...new Set(rows.flatMap(([, { cells }]) => [...cells.keys()]))].sort(
      (one, other) => STAGES.indexOf(one as Stage) - STAGES.indexOf(other as Stage),
    )
    const width = Math.max(0, ...rows.map(([name]) => name.length))
    const line = (name: string, cells: readonly string[]): string =>
      `${name.padEnd(width)} ${cells.map((cell, index) => cell.padStart((columns[index] ?? '').length)).join(' ')}\n`
    process.stdout.write(
      `requests at each stage, or what was lost\n${line('', columns)}${rows
        .map(([name, { cells }]) =>
          line(
            name,
            columns.map((one) => cells.get(one) ?? ''),
          ),
        )
        .join('')}`,
    )
    const sum = (key: 'tried' | 'lost' | 'beyond' | 'requests'): number =>
      rows.reduce((all, [, row]) => all + row[key], 0)
    const kinds = new Map<string, number>()
    for (const [name, { tried }] of rows) {
      const kind = name.replace(/:.*/, '')
      kinds.set(kind, (kinds.get(kind) ?? 0) + tried)
    }
    return {
      tried: `${sum('tried')} ${what} (${[...kinds].map(([kind, tried]) => `${kind}: ${tried}`).join(', ')})`,
      lost: sum('lost'),
      beyondAnyClient: sum('beyond'),
      seen: `${sum('requests')} requests`,
    }
  }
}
