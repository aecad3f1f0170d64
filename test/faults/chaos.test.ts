import Database from 'better-sqlite3'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { place } from '../support/place.js'

/** `FAULTS=full` for continuous integration, `FAULTS=soak` for a night. */
const ROUNDS = { full: 200, soak: 2000 }[process.env['FAULTS'] ?? ''] ?? 12
const CLIENTS = 8
const COMMANDS = [['get'], ['refresh'], ['status'], ['get', '--min-valid', '1s']]

const figures: string[] = []
afterAll(() => {
  console.log(figures.join('\n'))
})

const pick = <T>(choices: readonly T[]): T => choices[Math.floor(Math.random() * choices.length)] as T

describe('rounds of eight processes at once, half of them killed at random', () => {
  it.each([60_000, 0])(
    'with a server that forgives a repetition for %i ms',
    { timeout: 3_600_000 },
    async (graceMs) => {
      const made = await place({ accessTtl: 2, graceMs, latencyMs: 15, config: '[refresh]\nmin_valid = 0\n' })
      const { run, start, sandbox, store, dir } = made
      await run(['seed'])
      let kills = 0
      let refused = 0
      for (let round = 0; round < ROUNDS; round++) {
        const clients = Array.from({ length: CLIENTS }, (_, index) => {
          const client = start(pick(COMMANDS))
          if (index % 2 === 0) setTimeout(() => client.child.kill('SIGKILL'), 100 + Math.random() * 500)
          return client
        })
        const ended = await Promise.all(clients.map(({ done }) => done))
        kills += ended.filter(({ signal }) => signal === 'SIGKILL').length
        const survivors = ended.filter(({ signal }) => signal === null)
        const lost = (await store.read())?.refusedAt !== null
        if (lost) {
          // Beyond any client: killed between the server's rotation and the first byte of its answer.
          expect(graceMs).toBe(0)
          refused++
          const fresh = sandbox.issue()
          const seed = `[AUTH]\naccess_token = ${fresh.accessToken}\nrefresh_token = ${fresh.refreshToken}\naccess_expiry = 0\n`
          expect(await run(['seed', '--force', '--issued-at', '0', '-'], { input: seed })).toMatchObject({
            code: 0,
          })
        } else
          expect(survivors.map(({ code, stderr }) => [code, stderr])).toEqual(survivors.map(() => [0, '']))
      }
      const db = new Database(join(dir, 'token.db'), { readonly: true })
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
      db.close()
      if (graceMs > 0) expect(sandbox.revokedFamilies()).toBe(0)
      expect(await run(['get'])).toMatchObject({ code: 0, stderr: '' })
      figures.push(
        `chaos: ${ROUNDS} rounds of ${CLIENTS} processes, ${kills} killed, ${sandbox.refreshes()} refreshes, grace ${graceMs / 1000} s: ${refused} grants lost`,
      )
    },
  )
})
