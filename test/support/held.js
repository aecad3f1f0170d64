// Preloaded into a process that is to be held: with its modules there, what is let go is its work and not
// their loading. Those of the exchange are left to the one that makes it.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const HARNESS = 3

function hold() {
  fs.writeSync(HARNESS, 'here')
  // Sleeps in the kernel until the harness says a word.
  fs.readSync(HARNESS, Buffer.alloc(1))
  fs.closeSync(HARNESS)
}

for (const name of ['main', 'program', 'context', 'commands/get', 'commands/refresh', 'commands/status'])
  await import(new URL(`../../dist/cli/${name}.js`, import.meta.url))

if (process.env.HELD === 'start') hold()
else {
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
