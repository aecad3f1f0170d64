import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.js'
import { storePaths } from '../../../src/store/files.js'
import { SeatMemory } from '../../../src/store/postgres/seat-memory.js'
import { folder } from '../../support/folder.js'
import { HOST, pair, tokenSet } from '../../support/token-sets.js'

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
