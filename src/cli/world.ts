// All of the outside that a command may touch, as one value. Decides nothing.
import { realpathSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { machineHost } from '../platform/host.js'
import { machineClock } from '../platform/machine.js'
import { closeStreams, endOutput, muteErrors } from '../platform/streams.js'
import type { Host } from '../core/host.js'
import type { Clock } from '../core/clock.js'
import type { Handover } from '../core/store-ports.js'

export interface Screen extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** The descriptors and the lock that the process has from its start. */
export interface Given {
  /** Descriptors beyond the standard streams that the process was started with. */
  readonly inherited: readonly number[]
  /** The lock that the warm path hands over, or its wait for it. */
  readonly handover?: Handover | undefined
}

/** All of the outside that a command may touch. A test can build its own. */
export interface World extends Given {
  readonly env: NodeJS.ProcessEnv
  /** Whether nobody is to be warned of unknown variables. */
  readonly isQuiet?: boolean
  readonly platform: NodeJS.Platform
  /** `os.homedir`; throws for a user who has none. */
  readonly homedir: () => string
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Screen
  readonly stderr: Screen
  readonly clock: Clock
  readonly host: () => Host
  /** The user who runs this; throws for one that the system does not know. */
  readonly user: () => { readonly uid: number; readonly username: string }
  /** The paths of this Node and of the file that it runs. */
  readonly program: () => { readonly node: string; readonly script: string }
  /** Resolves when a person or the system asks the program to stop; for commands that run until then. */
  readonly interrupted: () => Promise<void>
  /** Opens an address in the person's browser, which gets this environment; false if there is none. */
  readonly openBrowser: (url: string, env: NodeJS.ProcessEnv) => Promise<boolean>
  /** Ends standard output, so that its reader need not wait for the end of the process. */
  readonly endOutput: () => void
  /** The command that starts this very program. */
  readonly self: readonly string[]
  /** Lets nothing reach standard error from now on, not even from Node or a program that is started. */
  readonly muteErrors: () => void
  /** Gives the standard streams up: nothing can be printed after it. */
  readonly closeStreams: () => void
}

/** The world, with its streams made at once: where few files may be opened, they come first. */
export function realWorld(given: Given): World {
  return { ...worldOnDemand(given) }
}

/** The world for a command that may need none of its streams but one: Node takes a while to make each. */
export function worldOnDemand(given: Given): World {
  return {
    ...given,
    env: process.env,
    platform: process.platform,
    homedir,
    get stdin() {
      return process.stdin
    },
    get stdout() {
      return process.stdout
    },
    get stderr() {
      // Messages are lost if nobody reads them; the token and the exit code are not.
      if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => undefined)
      return process.stderr
    },
    clock: machineClock,
    host: machineHost,
    user: userInfo,
    program: () => ({ node: process.execPath, script: realpathSync(process.argv[1] ?? '') }),
    interrupted: () =>
      new Promise((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const)
          process.once(signal, () => {
            resolve()
          })
      }),
    openBrowser: async (url, env) =>
      (await import('../platform/browser.js')).openBrowser(url, { env, platform: process.platform }),
    endOutput,
    closeStreams,
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    muteErrors,
  }
}

/**
 * Releases the early lock. Call it before anything is printed or reported, because a slow reader must not hold up
 * other jobs.
 */
export function letGo({ handover }: Pick<Given, 'handover'>): void {
  handover?.lock.release()
}
