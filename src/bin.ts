// The process edge: hands out a fresh token by itself, and loads the rest of the program for all else.
import { writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { plainCommand } from './cli/plain.js'
import { warmAnswer } from './cli/warm.js'
import { unloadable } from './cli/unloadable.js'
import { inheritedDescriptors } from './platform/descriptors.js'
import { machineClock } from './platform/machine.js'

/** Runs the program. Called by `bin.cjs` alone, so that loading this file does nothing. */
export function start(): void {
  // Without a listener this signal opens Node's inspector, to every user of the machine.
  process.on('SIGUSR1', () => undefined)

  const argv = process.argv.slice(2)
  const inherited = inheritedDescriptors(argv)
  const plain = plainCommand(argv)
  if (plain === undefined) {
    endWith(import('./cli/main.js').then(({ main }) => main(argv, { inherited })))
    return
  }
  if (plain.name === 'check') {
    endWith(import('./cli/run-check.js').then(({ main }) => main(plain, { inherited })))
    return
  }
  const around = {
    env: process.env,
    platform: process.platform,
    // Asked late, because loading `node:os` takes longer than reading a token.
    homedir: () => homedir(),
    clock: machineClock,
  }
  const { text, handover } = plain.name === 'get' ? warmAnswer(plain, around) : {}
  if (plain.name !== 'get' || text === undefined) {
    endWith(
      import('./cli/run-plain.js')
        .then(({ main }) => main(plain, { inherited, handover }))
        .catch((error: unknown) => {
          handover?.lock.release()
          throw error
        }),
    )
    return
  }
  const bytes = Buffer.from(text)
  const left = plain.flags.outfile === undefined ? bytes.subarray(writtenAtOnce(bytes)) : bytes
  // At once: there is nothing to wait for.
  if (left.byteLength === 0) process.exit()
  endWith(import('./cli/run-plain.js').then(({ handOutPlain }) => handOutPlain(left, plain, { inherited })))
}

/** Sets the exit code. A run rejects only if the program cannot be loaded. */
function endWith(run: Promise<number>): void {
  void run
    .catch((error: unknown) => unloadable(error, process.argv))
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
