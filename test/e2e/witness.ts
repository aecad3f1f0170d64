// What the tests of `exec` share: a command that says which signals it gets.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { told } from '../support/world.js'

/** A command that says which signals it gets; and ends, with 3, when a file is there, or at a terminal when told to. */
const WITNESS = `
import os, select, signal, sys, time
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
for name in "HUP INT QUIT TERM USR1 USR2 ALRM".split():
    signal.signal(signal.Signals["SIG" + name], lambda number, _: say("got", signal.Signals(number).name))
say("witness", os.getpid(), "of", os.getppid(), "is here")
at_terminal = sys.stdin.isatty()
while not os.path.exists(sys.argv[1]):
    if not at_terminal:
        time.sleep(0.02)
    elif select.select([sys.stdin], [], [], 0.02)[0]:
        told = sys.stdin.readline().strip()
        say("told", told)
        if told == "end":
            break
sys.exit(3)
`

interface Witness {
  readonly command: readonly string[]
  /** Its own id, and hq-token's. */
  readonly pids: (said: string) => readonly [number, number]
  readonly dismiss: () => void
}

export function witness(): Witness {
  const dir = folder()
  const script = join(dir, 'witness.py')
  writeFileSync(script, WITNESS)
  const end = join(dir, 'end')
  return {
    command: ['python3', script, end],
    pids: (said) => {
      const [, own, parent] = /witness (\d+) of (\d+) is here/.exec(said) ?? []
      return [Number(own), Number(parent)]
    },
    dismiss: () => {
      writeFileSync(end, '')
    },
  }
}

/** A place whose token is fresh. */
export async function fresh(): Promise<Place> {
  const there = await place({}, 3600)
  await told(['seed'], { env: { HQ_TOKEN_CONFIG: there.config } })
  return there
}

export async function until(is: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !is();) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
