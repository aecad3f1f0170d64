import { Readable, Writable } from 'node:stream'
import type { Host } from '../../src/core/host.js'
import { run } from '../../src/cli/program.js'
import type { Screen, World } from '../../src/cli/world.js'
import { machineClock } from '../../src/platform/machine.js'
import { holdToSchemas } from './json-outputs.js'
import { BIN } from './processes.js'
import { HOST } from './token-sets.js'

export interface Told {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface WorldOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Buffer
  readonly clock?: World['clock']
  readonly host?: Host
  readonly user?: ReturnType<World['user']>
  readonly program?: ReturnType<World['program']>
  /** A terminal, so many columns wide. */
  readonly terminal?: number
  /** Standard input is a terminal. */
  readonly keyboard?: boolean
  readonly homedir?: string
  readonly browser?: World['openBrowser']
  /** Standard output that takes nothing. */
  readonly broken?: boolean
}

/** Runs one command in this process, in a world of its own. */
export async function told(argv: readonly string[], options: WorldOptions = {}): Promise<Told> {
  const { world, said } = worldFor(options)
  const code = await run(argv, world)
  const ended = { code, ...said() }
  await holdToSchemas(argv, ended)
  return ended
}

/** A world, and what was said in it. */
export function worldFor(options: WorldOptions): { world: World; said: () => Omit<Told, 'code'> } {
  const stdout = screen(options.terminal, options.broken)
  const stderr = screen(options.terminal)
  const world = {
    env: options.env ?? {},
    platform: process.platform,
    homedir: () => options.homedir ?? '/nonexistent',
    stdin: Object.assign(Readable.from(options.input === undefined ? [] : [options.input]), {
      isTTY: options.keyboard === true,
    }),
    stdout: stdout.stream,
    stderr: stderr.stream,
    inherited: [],
    clock: options.clock ?? machineClock,
    host: () => options.host ?? HOST,
    user: () => options.user ?? { uid: 1000, username: 'jobs' },
    program: () => options.program ?? { node: process.execPath, script: BIN },
    interrupted: () => Promise.resolve(),
    openBrowser: options.browser ?? (() => Promise.resolve(false)),
    endOutput: () => undefined,
    self: [process.execPath, BIN],
    muteErrors: () => undefined,
    closeStreams: () => undefined,
  }
  return { world, said: () => ({ stdout: stdout.text(), stderr: stderr.text() }) }
}

function screen(columns?: number, broken = false): { stream: Screen; text: () => string } {
  let text = ''
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      if (broken) {
        done(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
        return
      }
      text += chunk
      done()
    },
  })
  return {
    stream: Object.assign(stream, columns === undefined ? {} : { isTTY: true, columns }),
    text: () => text,
  }
}
