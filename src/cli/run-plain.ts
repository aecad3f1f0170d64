// Runs what `plain.ts` has read, without commander. Prints only by its commands and `report`.
import { Exit } from '../core/errors.js'
import { assertNotOwnOf } from '../wiring/own-files.js'
import { answerOf, handOut } from './commands/get/get.js'
import type { Plain, PlainCheck, PlainGet } from './plain.js'
import type { Edge } from './edge.js'
import { report } from './report.js'
import { inSession, type Session } from './session.js'
import { namesFile } from './terminal/output-file.js'
import { quietly } from './terminal/quiet.js'
import { tellLast } from './tell-last.js'
import { letGo, realWorld, type Given, type World } from './world.js'

/**
 * Runs what the warm path did not answer.
 *
 * @returns The exit code.
 */
export function main(plain: Exclude<Plain, PlainCheck>, given: Given): Promise<number> {
  return runPlain(plain, realWorld(given))
}

/** Writes the rest of the warm path's answer, which standard output did not take at once. */
export function handOutPlain(answer: Uint8Array, plain: PlainGet, given: Given): Promise<number> {
  const world = realWorld(given)
  const { options, flags } = plain
  return reported(plain, world, async () => {
    if (namesFile(flags.outfile)) assertNotOwnOf(flags.outfile, '--outfile', options, world)
    await handOut(answer, flags, world)
    return undefined
  })
}

/** Runs a plain command as commander would, without the time that commander takes to load. */
export function runPlain(plain: Exclude<Plain, PlainCheck>, world: World): Promise<number> {
  const run = (within: World): Promise<number> =>
    tellLast((tells) => reported(plain, within, () => work(plain, within, tells)))
  return plain.name === 'refresh' && plain.flags.quiet === true ? quietly(world, run) : run(world)
}

/** @returns The exit code of a command that ends with another program's. */
async function work(
  plain: Exclude<Plain, PlainCheck>,
  world: World,
  tells: Edge['tells'],
): Promise<number | undefined> {
  if (plain.name === 'exec') {
    const { exec } = await import('./commands/exec/exec.js')
    return exec(world, plain.options, plain.command, plain.flags, tells)
  }
  const getOrRefresh = async (session: Session): Promise<void> => {
    if (plain.name === 'refresh') {
      const { refresh } = await import('./commands/refresh/refresh.js')
      return refresh(session, plain.flags)
    }
    const answer = await answerOf(session, plain.flags)
    letGo(world)
    await handOut(answer, plain.flags, world)
  }
  await inSession(world, plain.options, getOrRefresh, tells)
  return undefined
}

async function reported(
  { options }: Plain,
  world: World,
  work: () => Promise<number | undefined>,
): Promise<number> {
  try {
    return (await work()) ?? Exit.ok
  } catch (error) {
    letGo(world)
    return report(error, world, options)
  }
}
