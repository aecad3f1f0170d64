// Preloaded into a process that is to be held: with its modules there, what is let go is its work and not
// their loading. Those of the exchange are left to the one that makes it.
import fs from 'node:fs'
import http from 'node:http'
import { createRequire, syncBuiltinESMExports } from 'node:module'

const HARNESS = 3

function hold() {
  fs.writeSync(HARNESS, 'here')
  // Sleeps in the kernel until the harness says a word.
  fs.readSync(HARNESS, Buffer.alloc(1))
  fs.closeSync(HARNESS)
}

const require = createRequire(import.meta.url)
for (const name of ['start', 'refresh', 'main', 'status']) require(`../../dist/${name}.cjs`)

// Signed, so that the sandbox can tell who has asked.
if (process.env.ASKER) {
  const { request } = http
  http.request = (options, ...rest) =>
    request({ ...options, headers: { ...options.headers, 'x-asker': process.env.ASKER } }, ...rest)
}

if (process.env.HELD === 'start') hold()
else if (process.env.HELD === 'lock') {
  // It has looked at the store by then, and found that it needs the lock.
  const { lstatSync } = fs
  let isLetGo = false
  fs.lstatSync = (path, ...rest) => {
    if (path.endsWith('token.lock') && !isLetGo) {
      isLetGo = true
      hold()
    }
    return lstatSync(path, ...rest)
  }
  syncBuiltinESMExports()
}
