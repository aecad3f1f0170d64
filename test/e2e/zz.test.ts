import { it } from 'vitest'
import Database from 'better-sqlite3'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { startPostgres } from '../support/postgres.js'
import { start } from '../support/processes.js'
it('x', async () => {
  const postgres = await startPostgres()
  const url = postgres.url(await postgres.createDatabase())
  const there = await place()
  const dir = folder()
  const config = join(dir, 'c.ini')
  writeFileSync(config, readFileSync(there.config, 'utf8').replace(/^path = .*$/m, `url = ${url}`).replace(/^\[seed\]\nfile = .*$/m, ''), { mode: 0o600 })
  console.log(readFileSync(config,'utf8'))
  const run = (...args: string[]) => start(args, { env: { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STATE_DIR: dir } }).done
  const seat = () => { const db = new Database(join(dir,'token.seat'), {readonly:true}); const r = db.prepare('select token_set, about from seat').get(); db.close(); return r }
  console.log(await run('seed', there.seed), await run('get'))
  console.log(await run('move', '--to', join(dir, 'm.db')), seat())
  console.log(await run('get'), seat())
}, 60000)
