import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from './place.js'
import { alternate, bare as bareNode } from './processes.js'
import { ms, row } from './rows.js'

const text = JSON.stringify
const module = (...path) => text(join(ROOT, ...path))
const url = (...path) => text(pathToFileURL(join(ROOT, ...path)).href)

/** What a `get` is made of: programs that do one thing of it each. */
const PARTS = {
  "better-sqlite3's addon alone, one row read": ({ fresh }) => `
    const { openByAddon } = await import(${url('build/store/sqlite/addon.js')})
    const db = openByAddon(${text(fresh.database)})
    db.prepare('SELECT * FROM token_set', db, false, false).get()`,
  'better-sqlite3, one row read': ({ fresh }) => `
    const db = require(${module('node_modules/better-sqlite3')})(${text(fresh.database)}, { readonly: true })
    db.prepare('SELECT * FROM token_set').get()`,
  'an empty ES module': () => `await import('data:text/javascript,')`,
  "the program's files beyond the warm path": () => `await import(${url('dist/main.cjs')})`,
  "Node's own `Headers`": () => `new Headers()`,
  oauth4webapi: () => `await import(${url('node_modules/oauth4webapi/build/index.js')})`,
  commander: () => `require(${module('node_modules/commander')})`,
  "Node's own http and tls, loaded": () => `await import('node:http'); await import('node:tls')`,
  "Node's own http, one request": ({ plain }) => `
    const http = require('node:http')
    await new Promise((onEnd, onError) => {
      const request = http.get(${text(new URL(plain).origin)}, { agent: false }, (response) => response.resume().on('end', onEnd))
      request.on('error', onError)
    })`,
}

/** What each of them adds to a bare Node, in CPU time. */
export async function parts({ place, stopwatch }) {
  const programs = Object.entries(PARTS).map(([name, code]) => [
    name,
    { argv: [process.execPath, '-e', `(async () => {${code(place)}})()`] },
  ])
  const measured = [['bare', bareNode()], ...programs].map(([name, command]) => [
    name,
    () => stopwatch.cost(command),
  ])
  const { bare, ...found } = await alternate(Object.fromEntries(measured), 21)
  return Object.entries(found).map(([name, { cpu }]) =>
    row({ what: `a program of: ${name}; cpu`, unit: ms, ours: cpu, beside: '`node -e 0`', theirs: bare.cpu }),
  )
}
