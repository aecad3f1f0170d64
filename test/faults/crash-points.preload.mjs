// Imported before the program (`NODE_OPTIONS=--import`), which knows nothing of it: names each step of
// the program on the store's files, of its request and of its output, and dies at one of them.
//
//   CRASH_FOLDER   the store's folder
//   CRASH_SEEDS    the seed's folder; without it, the mark beside the seed is no point
//   CRASH_DATABASE names the statements to a database too
//   CRASH_LOG      a line for each point that is reached
//   CRASH_AT       the point to die at; without it, every point is only named
import { subscribe } from 'node:diagnostics_channel'
import fs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { basename, dirname } from 'node:path'

const { CRASH_FOLDER, CRASH_SEEDS, CRASH_DATABASE, CRASH_LOG, CRASH_AT } = process.env
const { writeSync } = fs
const log = fs.openSync(CRASH_LOG, 'a', 0o600)
const counts = new Map()

function point(name) {
  writeSync(log, `${name}\n`)
  if (name === CRASH_AT) process.kill(process.pid, 'SIGKILL')
}

function around(step, call) {
  const nth = (counts.get(step) ?? 0) + 1
  counts.set(step, nth)
  point(`before ${step} #${nth}`)
  try {
    return call()
  } finally {
    point(`after ${step} #${nth}`)
  }
}

function nameOf(path) {
  if (path === CRASH_FOLDER) return 'its folder'
  const name = basename(path)
  if (dirname(path) === CRASH_SEEDS && /\.spent$|^\.hq-token-/.test(name)) return 'mark'
  return dirname(path) === CRASH_FOLDER && /^(?:token|moved)\.(?:db|lock|rescue|seat)/.test(name)
    ? name
    : undefined
}

const handles = new Map()
for (const call of ['open', 'write', 'fsync', 'fdatasync', 'ftruncate', 'close', 'rename', 'unlink']) {
  const real = fs[`${call}Sync`]
  fs[`${call}Sync`] = (...args) => {
    const [target] = args
    const name = typeof target === 'number' ? handles.get(target) : nameOf(String(target))
    if (name === undefined) return real(...args)
    const result = around(`${call} ${name}`, () => real(...args))
    if (call === 'open') handles.set(result, name)
    if (call === 'close') handles.delete(target)
    return result
  }
}
// Named imports of `node:fs` are copies.
syncBuiltinESMExports()

const { prototype } = createRequire(import.meta.url)('better-sqlite3')

function onDatabase({ name: path }, what, call) {
  const name = nameOf(path)
  return name === undefined ? call() : around(`${what} ${name}`, call)
}

const { exec, pragma, close, prepare } = prototype
Object.assign(prototype, {
  exec(sql) {
    return onDatabase(this, sql, () => exec.call(this, sql))
  },
  pragma(source, options) {
    const read = () => pragma.call(this, source, options)
    // Asking for a setting changes nothing.
    return source.includes('=') ? onDatabase(this, source, read) : read()
  },
  close() {
    return onDatabase(this, 'close', () => close.call(this))
  },
  prepare(sql) {
    const statement = prepare.call(this, sql)
    const { run } = statement
    const [what] = /^(?:\S+\s+){0,2}\S+/.exec(sql)
    statement.run = (...values) => onDatabase(this, what, () => run.apply(statement, values))
    return statement
  },
})

if (CRASH_DATABASE !== undefined) {
  const { prototype: client } = createRequire(import.meta.url)('pg').Client
  const { query } = client
  client.query = async function (asked, ...rest) {
    const what = `query ${(asked.text ?? asked).trim().replace(/\s+/g, ' ').slice(0, 40)}`
    const nth = (counts.get(what) ?? 0) + 1
    counts.set(what, nth)
    point(`before ${what} #${nth}`)
    try {
      return await query.call(this, asked, ...rest)
    } finally {
      point(`after ${what} #${nth}`)
    }
  }
}

const socket = net.Socket.prototype
const { write: send } = socket
socket.write = function (chunk, ...rest) {
  if (!Buffer.from(chunk).toString('latin1').startsWith('POST ')) return send.call(this, chunk, ...rest)
  point('before the request leaves')
  const sent = send.call(this, chunk, ...rest)
  point('after the request left')
  return sent
}
subscribe('http.client.response.finish', ({ response }) => {
  point('as the answer begins')
  response.prependListener('end', () => {
    point('as the answer ends')
  })
})

const { stdout } = process
const write = stdout.write.bind(stdout)
stdout.write = (...args) => around('print', () => write(...args))
