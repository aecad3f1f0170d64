import Database from 'better-sqlite3'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, describe, expect, it, onTestFailed } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { asker, signing } from '../support/asker.js'
import { drawsFrom } from '../support/draws.js'
import { place } from '../support/place.js'
import { stop } from '../support/proc.js'
import { isHeld, letGo, withoutNews } from '../support/processes.js'
import { seedText } from '../support/seed-text.js'
import { report, run as size } from './figures.js'

const ROUNDS = { short: 5, full: 200, soak: 2000 }[size]
/** A run goes on to this many rounds until a kill has fallen into each of the two moments that matter. */
const MOST_ROUNDS = size === 'short' ? ROUNDS : 4 * ROUNDS
const CLIENTS = 8
const COMMANDS = [
  ['get'],
  ['get', '--format', 'json'],
  ['refresh'],
  ['refresh', '--if-older', '0s'],
  ['status'],
] as const
/** Milliseconds from the start of a round: half of the processes are killed then, where they still run. */
const ANY_TIME = 400
/** Milliseconds from the arrival of a request: the other half are killed then, where they ask. */
const IN_EXCHANGE = 90
const DRAWS = Number(process.env['DRAWS'] ?? Date.now() % 1_000_000)

const sum = { rounds: 0, kills: 0, rotations: 0, unheard: 0, kept: 0, lost: 0, beyondAnyClient: 0 }
afterAll(() => {
  report('chaos', {
    tried: `${sum.rounds} rounds of ${CLIENTS} processes, ${sum.kills} killed`,
    lost: sum.lost,
    beyondAnyClient: sum.beyondAnyClient,
    seen:
      `${sum.rotations} rotations, ${sum.unheard} kills between a rotation and its answer’s first byte on disk, ` +
      `${sum.kept} between that and the save`,
  })
})

/** A pair that the server has given, by the refresh token’s fingerprint. */
interface Rotation {
  readonly issued: string
  readonly by: string
  readonly at: number
}

interface Death {
  readonly at: number
  /** What was in the rescue file then, as fingerprints. */
  readonly onDisk: ReadonlySet<string>
}

describe('rounds of eight processes at once, half of them killed at random', { timeout: 7_200_000 }, () => {
  it.each([60_000, 0])(
    'rounds of eight processes, half of them killed at random, work with a server that forgives a repetition for %i ms',
    async (graceMs) => {
      onTestFailed(() => {
        process.stdout.write(`the same draws again: DRAWS=${DRAWS}\n`)
      })
      const draw = drawsFrom(DRAWS)
      const pick = <T>(choices: readonly T[]): T => choices[Math.floor(draw() * choices.length)] as T

      const rotations: Rotation[] = []
      const arrivals = new EventEmitter()
      const { run, start, sandbox, store, dir, seed } = await place({
        // All but every `get` must refresh.
        accessTtl: 1,
        config: '[refresh]\nmin_valid = 0\n',
        graceMs,
        latencyMs: 5,
        onRequest: ({ issued }) => {
          const by = asker()
          if (issued !== null) rotations.push({ issued, by, at: performance.now() })
          arrivals.emit(by)
        },
      })
      const rescued = (): Set<string> => refreshTokensIn(join(dir, 'token.rescue'))
      const saved = new Set<string>()
      const deaths = new Map<string, Death>()

      const kill = async (name: string, child: ChildProcess): Promise<void> => {
        // What is on disk when it stands still is all that it has written: it holds the lock, if it had it.
        if (!(await stop(child))) return
        // And what it has sent is with the server, after the few turns that this loop needs to read it.
        for (let turns = 0; turns < 5; turns++) await turn()
        deaths.set(name, { at: performance.now(), onDisk: rescued() })
        child.kill('SIGKILL')
      }

      /** The rotations of which the store has not learned: each must be of a process that was killed in time. */
      const unheard = async (): Promise<Rotation[]> => {
        for (const { refresh } of await store.history()) saved.add(refresh)
        const kept = rescued()
        const missing = rotations.filter(({ issued }) => !saved.has(issued) && !kept.has(issued))
        const excused = missing.filter(({ issued, by, at }) => {
          const death = deaths.get(by)
          return death !== undefined && at <= death.at && !death.onDisk.has(issued)
        })
        expect(missing, 'unheard by a kill between the rotation and the first byte').toEqual(excused)
        return missing
      }

      let lost = 0
      const isLost = async (): Promise<boolean> => {
        const missing = await unheard()
        if ((await store.read())?.refusedAt === null) return false
        expect(graceMs).toBe(0)
        expect(missing).toHaveLength(++lost)
        writeFileSync(seed, seedText(sandbox.issue()))
        expect(await run(['seed', '--force'])).toMatchObject({ code: 0 })
        return true
      }

      const kept = (): Rotation[] => rotations.filter(({ issued, by }) => deaths.get(by)?.onDisk.has(issued))
      const isShown = async (): Promise<boolean> => (await unheard()).length > 0 && kept().length > 0

      await run(['seed'])
      let round = 0
      for (; round < ROUNDS || (round < MOST_ROUNDS && !(await isShown())); round++) {
        const clients = Array.from({ length: CLIENTS }, (_, index) => {
          const name = `${round}.${index}`
          return { name, ...start(pick(COMMANDS), { held: 'start', env: signing(name) }) }
        })
        await Promise.all(clients.map(isHeld))
        letGo(clients)
        for (const [index, { name, child }] of clients.entries()) {
          const killed = (): void => void kill(name, child)
          const moment = draw()
          if (index % 2 === 0) setTimeout(killed, moment * ANY_TIME)
          else arrivals.once(name, () => setTimeout(killed, moment * IN_EXCHANGE))
        }
        const ended = await Promise.all(clients.map(({ done }) => done.then(withoutNews)))
        const survivors = ended.filter(({ signal }) => signal === null)
        // A process that repeats a lost request takes three seconds to believe a refusal, and none lives so long here: one
        // that is left alone meets the loss, so that the rounds go on with a new grant.
        if (graceMs === 0 && (await unheard()).length > lost) await run(['refresh'])
        if (await isLost()) expect([0, 4]).toEqual(expect.arrayContaining(survivors.map(({ code }) => code)))
        else expect(survivors.map(({ code, stderr }) => [code, stderr])).toEqual(survivors.map(() => [0, '']))
      }
      // The last kill may have left a loss that nobody has met.
      if ((await store.read())?.intent !== null) await run(['refresh'])
      await isLost()
      expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })

      const missing = await unheard()
      expect(sandbox.revokedFamilies()).toBe(lost)
      expect(lost).toBe(graceMs > 0 ? 0 : missing.length)
      const db = new Database(join(dir, 'token.db'), { readonly: true })
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
      db.close()
      // A run without a kill in both moments has shown nothing.
      if (size !== 'short') expect(await isShown()).toBe(true)

      sum.rounds += round
      sum.kills += deaths.size
      sum.rotations += rotations.length
      sum.unheard += missing.length
      sum.kept += kept().length
      sum.lost += lost
      if (graceMs === 0) sum.beyondAnyClient += missing.length
    },
  )
})

function refreshTokensIn(path: string): Set<string> {
  const found = readFileSync(path, 'latin1').matchAll(/"(refresh-[\w-]{43})"/g)
  return new Set([...found].map(([, token = '']) => new Secret(token).fingerprint))
}
