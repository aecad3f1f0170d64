// Runs a command with the token in its environment or in a file. Writes nothing to standard output: that is the
// command's.
import type { ExecFlags } from './options.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { TokenError } from '../../../core/errors.js'
import type { AccessToken } from '../../../core/guard-options.js'
import type { Ask } from '../../../core/policy.js'
import type { Notice } from '../../../core/ports.js'
import { dieBy } from '../../../platform/signals.js'
import { ForwardingChild } from './child.js'
import { namingTheNextStep, openSession, type Session } from '../../session.js'
import { environment } from '../get/formats.js'
import type { GlobalOptions } from '../../terminal/output.js'
import { removeLeftovers, TokenFile } from './token-file.js'
import type { Edge } from '../../edge.js'
import { tell } from '../../tell.js'
import type { World } from '../../world.js'

/** Seconds between two looks at the token in the file. A token that lives less long is looked at sooner. */
const LOOK_EVERY = 15

/**
 * Runs a command with a token in its environment, as if it had been run directly.
 *
 * @returns The command's exit status.
 */
export async function exec(
  world: World,
  global: GlobalOptions,
  command: readonly string[],
  { minValid, tokenFile = false }: ExecFlags,
  tells: Edge['tells'],
): Promise<number> {
  const filter = new NoticeFilter()
  const session = openSession(world, global, (notice) => filter.lets(notice))
  const ask = minValid === undefined ? {} : { minValid }
  const token = await namingTheNextStep(session, () => session.guard.token(ask)).catch((error: unknown) => {
    tells(session)
    throw error
  })
  // The seed's mark may bring a warning, so wait for it before the streams are the command's.
  await session.guard.settled()
  // The command may run for days, so people are told before.
  await tell(session, { keepsOutput: true })
  await session.store.close()

  if (process.pid === 1)
    session.voice.notice({
      level: 'info',
      message:
        'hq-token is the first process of its container: processes that the command leaves behind stay as zombies',
      hint: 'docker run --init',
    })
  const stead = new ForwardingChild(session.childEnv(), world.platform)
  const runtimeDir = world.env['XDG_RUNTIME_DIR']
  removeLeftovers(runtimeDir)
  const file = tokenFile ? new TokenFile(runtimeDir) : undefined
  const over = new AbortController()
  let keeping: Promise<void> | undefined
  let end: number | NodeJS.Signals
  try {
    if (file !== undefined) {
      await file.write(token.secret)
      if (!file.inMemory)
        session.voice.notice({
          level: 'info',
          message: `there is no folder in memory, so the token file is on a disk: ${file.path}`,
        })
      // If the server does not issue tokens of `minValid` seconds, do not ask for one at each look.
      const kept = token.expiresAt - world.clock().now >= (minValid ?? 0) ? ask : {}
      keeping = keepFresh(session, file, token, kept, filter, over.signal)
    }
    end = await stead.run(
      command,
      { ...session.childEnv(), ...environment(token), HQ_TOKEN_FILE: file?.path },
      world.inherited,
    )
  } finally {
    over.abort()
    // A refresh that is under way must come to its end.
    await keeping
    await session.guard.settled()
    const left = file?.remove()
    if (left !== undefined) session.voice.notice(left)
  }
  // Close the streams, because Node sets a terminal back at its end and would undo what the command has set
  // (`stty`).
  world.closeStreams()
  return typeof end === 'number' ? end : dieBy(end)
}

/** Never throws: the command runs on, whatever becomes of the token. */
async function keepFresh(
  { world, guard, voice }: Session,
  file: TokenFile,
  first: AccessToken,
  ask: Ask,
  filter: NoticeFilter,
  over: AbortSignal,
): Promise<void> {
  filter.begin()
  let written = first
  for (;;) {
    const left = written.expiresAt - world.clock().now
    const pause = Math.min(Math.max(left / 4, 1), LOOK_EVERY) * 1000
    await sleep(pause, undefined, { signal: over, ref: false }).catch(() => undefined)
    if (over.aborted) return
    try {
      const token = await guard.token(ask)
      if (token.secret.equals(written.secret)) continue
      await file.write(token.secret)
      written = token
      filter.begin()
    } catch (error) {
      if (!(error instanceof TokenError)) {
        voice.bug(error)
        return
      }
      const warning: Notice = { level: 'warning', message: `the token file is not renewed: ${error.message}` }
      if (filter.lets(warning)) voice.notice(warning)
    }
  }
}

/** Lets one warning of a row of failures through, because standard error is the command's while it runs. */
class NoticeFilter {
  #left = Infinity

  begin(): void {
    this.#left = 1
  }

  lets({ level }: Notice): boolean {
    if (this.#left === Infinity) return true
    return level === 'warning' && this.#left-- > 0
  }
}
