#!/usr/bin/env node
import { inherited } from './platform/descriptors.js' // Before anything is opened.
import { writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { plainGet } from './cli/plain.js'
import { warmAnswer } from './cli/warm.js'
import { unloadable } from './cli/unloadable.js'
import { machineClock } from './platform/machine.js'

// Without a listener this signal opens Node's inspector, to every user of the machine.
process.on('SIGUSR1', () => undefined)

const argv = process.argv.slice(2)
const plain = plainGet(argv)
const around = { env: process.env, platform: process.platform, homedir, clock: machineClock }
const { text, handover } = plain === undefined ? {} : warmAnswer(plain, around)

if (plain === undefined || text === undefined)
  void import('./cli/main.js')
    .then(({ main }) => main(argv, plain, { inherited, handover }))
    .catch((error: unknown) => {
      handover?.lock.release()
      return unloadable(error, argv)
    })
    .then((status) => (process.exitCode = status))
else {
  const bytes = Buffer.from(text)
  const left = plain.flags.outfile === undefined ? bytes.subarray(writtenAtOnce(bytes)) : bytes
  // At once: there is nothing to wait for.
  if (left.byteLength === 0) process.exit()
  void import('./cli/main.js')
    .then(({ handOutPlain }) => handOutPlain(left, plain, { inherited }))
    .catch((error: unknown) => unloadable(error, argv))
    .then((status) => (process.exitCode = status))
}

/** How much of it standard output took: a stream takes longer to make than a fresh token to hand out. */
function writtenAtOnce(bytes: Uint8Array): number {
  try {
    return writeSync(1, bytes)
  } catch {
    // The stream that is asked next says what is wrong.
    return 0
  }
}
