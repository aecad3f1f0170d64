import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { entry } from '../../src/core/transitions.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { moment, pair, tokenSet } from '../support/token-sets.js'

// A row that keeps its width is written over where it stands; one that grows is written elsewhere.
it('a pair that was replaced leaves no byte of it in the database, also where its row had to grow', async () => {
  const path = join(folder(), 'state', 'token.db')
  const store = new SqliteStore(path)
  const lengths = [40, 9_000, 40_000, 40_000]
  for (const [earlier, length] of lengths.entries()) {
    const token = `canary-${earlier + 1}-`
    const set = tokenSet({
      generation: earlier + 1,
      sequence: earlier + 1,
      pair: pair({ accessToken: new Secret(token.padEnd(length, token)), refreshToken: new Secret(token) }),
    })
    await store.exclusive((held) => held.note(set, earlier, entry(set, 'refresh', 'done', moment())), {
      waitMs: 1000,
    })
  }
  const content = readFileSync(path)
  expect([1, 2, 3, 4].filter((pair) => content.includes(`canary-${pair}-`))).toEqual([4])
})
