import { describe, expect, it } from 'vitest'
import { failingSince } from '../../src/core/failing.js'
import type { HistoryEntry } from '../../src/core/store-ports.js'

const entry = (at: number, outcome: string, event: HistoryEntry['event'] = 'refresh'): HistoryEntry => ({
  sequence: at,
  at,
  event,
  outcome,
  generation: 1,
  access: '',
  refresh: '',
  note: null,
  grant: null,
  client: null,
})
const failing = { failures: 3, lastFailure: { at: 90, code: 'HQ_SERVER_UNAVAILABLE', message: '' } }
const DOWN = 'HQ_SERVER_UNAVAILABLE'

describe('the time since when refreshes fail', () => {
  it.each<[string, readonly HistoryEntry[], number]>([
    [
      'the first failure after the last refresh',
      [entry(90, DOWN), entry(50, DOWN), entry(40, 'done'), entry(10, DOWN)],
      50,
    ],
    [
      'the first failure after a seed',
      [entry(90, DOWN), entry(60, DOWN), entry(40, 'done', 'seed'), entry(10, DOWN)],
      60,
    ],
    ['the first failure after a login', [entry(90, DOWN), entry(40, 'done', 'login'), entry(10, DOWN)], 90],
    [
      'the first failure, a move of the store notwithstanding',
      [entry(90, DOWN), entry(70, 'done', 'move'), entry(50, DOWN)],
      50,
    ],
    [
      'the first failure, not a process that died before it',
      [entry(90, DOWN), entry(70, 'unfinished'), entry(40, 'done')],
      90,
    ],
    ['the oldest failure of a history that does not reach back', [entry(90, DOWN), entry(30, DOWN)], 30],
    ['the last failure, where the history has none', [], 90],
    ['the last failure, where a clock has jumped ahead and back', [entry(900, DOWN), entry(40, 'done')], 90],
  ])('the time since when refreshes fail is that of %s', (_, history, since) => {
    expect(failingSince(failing, history)).toBe(since)
  })

  it('there is none after a success', () => {
    expect(failingSince({ failures: 0, lastFailure: null }, [entry(90, 'done'), entry(50, DOWN)])).toBeNull()
  })
})
