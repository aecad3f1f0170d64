// Runs the stand-in for HighQ, and prints its log. Touches no real server.
import type { SandboxFlags } from './command.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { UsageError } from '../../../core/errors.js'
import { faultNames, parseFault, type Fault } from '../../../sandbox/faults.js'
import { writeSandboxFiles } from '../../../sandbox/files.js'
import { startSandbox } from '../../../sandbox/server.js'
import { printable, voice, writeOut, type GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'

/** Stands in for HighQ until it is interrupted. */
export async function sandbox(world: World, options: GlobalOptions, flags: SandboxFlags): Promise<void> {
  const named = flags.fault ?? []
  if (named.includes('list')) {
    const width = Math.max(...Object.keys(faultNames).map((name) => name.length))
    const lines = Object.entries(faultNames).map(([name, what]) => `${name.padEnd(width)}  ${what}\n`)
    return writeOut(world.stdout, lines.join(''))
  }
  const faults = named.map(parseFault)
  const folder = await folderFor(flags.dir)
  const server = await listen(logTo(world, options), flags, faults)
  try {
    const { config, seed } = await written(folder, server, flags.accessTtl)
    await writeOut(
      world.stdout,
      `A stand-in for HighQ at ${server.url} (Ctrl-C ends it)\n` +
        `config: ${config}\n` +
        `seed:   ${seed}\n` +
        `Try:\n` +
        `  hq-token --config ${config} get\n` +
        `  hq-token --config ${config} status\n` +
        `  hq-token --config ${config} login\n`,
    )
    await world.interrupted()
  } finally {
    await server.close()
    if (flags.dir === undefined) await rm(folder, { recursive: true, force: true })
  }
}

async function folderFor(dir: string | undefined): Promise<string> {
  if (dir !== undefined) return resolve(dir)
  try {
    return await mkdtemp(join(tmpdir(), 'hq-token-sandbox-'))
  } catch (error) {
    throw new UsageError(`there is no temporary folder: ${tmpdir()} cannot be written`, {
      hint: 'hq-token sandbox --dir FOLDER',
      cause: error,
    })
  }
}

/** Where each request is told of. */
function logTo(world: World, options: GlobalOptions): (line: string) => void {
  if (options.logFormat === 'json') {
    const { tell } = voice(world, options)
    return (message) => {
      tell({ level: 'info', message })
    }
  }
  return (line) => {
    world.stderr.write(`${printable(line)}\n`)
  }
}

async function listen(
  log: (line: string) => void,
  flags: SandboxFlags,
  faults: Fault[],
): Promise<Awaited<ReturnType<typeof startSandbox>>> {
  try {
    return await startSandbox({
      port: flags.port,
      accessTtl: flags.accessTtl,
      latencyMs: flags.latency,
      graceMs: flags.grace,
      xml: flags.xml === true,
      faults,
      onRequest: ({ method, path, outcome }) => {
        log(`${method} ${path} ${outcome}`)
      },
    })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
    throw new UsageError(
      `port ${flags.port} ${code === 'EACCES' ? 'may not be used by this user' : 'is in use'}`,
      {
        hint: 'hq-token sandbox --port 0',
      },
    )
  }
}

async function written(
  folder: string,
  server: Awaited<ReturnType<typeof startSandbox>>,
  accessTtl: number,
): ReturnType<typeof writeSandboxFiles> {
  try {
    return await writeSandboxFiles(folder, server, { accessTtl })
  } catch (error) {
    throw new UsageError(
      `the files cannot be written to ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: 'hq-token sandbox --dir FOLDER',
      },
    )
  }
}
