// Preloaded into a process that is to be held: with its modules there, what is let go is its work and not
// their loading. Those of the exchange are left to the one that makes it.
import { closeSync, readSync, writeSync } from 'node:fs'

const HARNESS = 3

for (const name of ['program', 'context', 'commands/get', 'commands/refresh', 'commands/status'])
  await import(new URL(`../../dist/cli/${name}.js`, import.meta.url))
writeSync(HARNESS, 'here')
// Sleeps in the kernel until the harness says a word.
readSync(HARNESS, Buffer.alloc(1))
closeSync(HARNESS)
