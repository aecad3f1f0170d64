import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.js'
import { storePaths } from '../../../src/store/files.js'
import { hasFixedEnd } from '../../../src/core/refresh-end.js'
import { afterUnsaved } from '../../../src/store/postgres/remembered.js'
import { SeatMemory } from '../../../src/store/postgres/seat-memory.js'
import { folder } from '../../support/folder.js'
import { HOST, ISSUED, moment, pair, tokenSet } from '../../support/token-sets.js'

it.each([20, 9000])(
  'a seat that forgets an access token of %i characters leaves it in no file, not in the journal either',
  async (length) => {
    const dir = folder()
    const memory = new SeatMemory(storePaths(join(dir, 'token.seat')), HOST, 'default')
    await memory.create()
    const token = 'secret-'.repeat(length / 5)
    const set = tokenSet({ pair: pair({ accessToken: new Secret(token) }) })
    await memory.change((known) => ({ ...known, set }))
    const traces = (): string[] =>
      readdirSync(dir).filter((name) => readFileSync(join(dir, name), 'latin1').includes('secret-secret-'))
    expect(traces()).toEqual(['token.seat'])
    const { seat } = await memory.load()
    await memory.change((known) => ({ ...known, set: undefined }))
    expect(traces()).toEqual([])
    expect(await memory.load()).toMatchObject({ seat, set: undefined })
  },
)

it('a seat keeps the end of the pair before the last refresh, and no token of it', async () => {
  const dir = folder()
  const memory = new SeatMemory(storePaths(join(dir, 'token.seat')), HOST, 'default')
  await memory.create()
  const [accessToken, refreshToken] = [new Secret('secret-access'), new Secret('secret-refresh')]
  const previous = pair({ accessToken, refreshToken })
  await memory.change((known) => afterUnsaved(known, tokenSet({ previous, lastRefreshAt: ISSUED }), moment()))
  const { set } = await memory.load()
  expect(set && hasFixedEnd(set)).toBe(true)
  expect(set?.previous?.refreshToken.equals(refreshToken)).toBe(true)
  expect(() => set?.previous?.refreshToken.reveal()).toThrow('elsewhere')
  for (const name of readdirSync(dir))
    expect(readFileSync(join(dir, name), 'latin1')).not.toContain('secret-')
})

it.each([
  [
    'is garbage',
    'SQLITE_NOTADB',
    (path: string) => {
      writeFileSync(path, 'garbage'.repeat(20))
    },
  ],
  [
    'has no bytes',
    'a file of no bytes',
    (path: string) => {
      writeFileSync(path, '')
    },
  ],
  [
    'has lost its table',
    'SQLITE_ERROR',
    (path: string) => {
      inside(path, 'DROP TABLE seat')
    },
  ],
  [
    'has a set without a token',
    'its row',
    (path: string) => {
      inside(path, "UPDATE seat SET token_set = '{}'")
    },
  ],
  [
    'has a row that is no JSON',
    'its row',
    (path: string) => {
      inside(path, "UPDATE seat SET about = 'x'")
    },
  ],
])('a seat that %s may go, because the database has all of it', async (_, what, spoil) => {
  const path = join(folder(), 'token.seat')
  const memory = new SeatMemory(storePaths(path), HOST, 'default')
  await memory.create()
  await memory.change((known) => ({ ...known, set: tokenSet() }))
  spoil(path)
  for (const use of [memory.load(), memory.change((known) => known)])
    await expect(use).rejects.toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `${path} is damaged (${what})`,
      hint: `remove it (rm ${path}): the database has the token set`,
    })
})

function inside(path: string, sql: string): void {
  const db = new Database(path)
  db.exec(sql)
  db.close()
}
