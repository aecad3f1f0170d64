// Looks at a profile within a time limit, in a process of its own where a call may wait for good. Decides nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Look, Trouble, Unread } from '../../../core/check.js'
import { ConfigInvalid, StoreBusy, UsageError } from '../../../core/errors.js'
import { foreseen } from '../../../platform/errno.js'
import { mayHang } from '../../../platform/file-systems.js'
import type { Choice } from '../../../wiring/open.js'
import { lookAt, type LookAround } from '../../../wiring/look.js'
import { assertAll, everyProfile, type Profiles } from '../../../wiring/profiles.js'
import { nextCommand } from '../../next-step.js'
import type { World } from '../../world.js'

/** The share of the time that a database gets: the rest is for what this host remembers of it. */
const FOR_DATABASE = 0.8

/** All looks of a check end at one instant, and those that have not begun by then never do. */
export interface Deadline {
  /** Milliseconds; 0 or less when it has passed. */
  readonly left: () => number
}

export function deadlineIn(timeoutMs: number): Deadline {
  const end = performance.now() + timeoutMs
  return { left: () => end - performance.now() }
}

/** @throws {UsageError} the profile's name is not a name of a profile */
export async function lookInTime(world: World, choice: Choice, deadline: Deadline): Promise<Look> {
  const look = mayHang(world.platform)
    ? undefined
    : await Promise.race([lookAt(choice, around(world, null)), sleep(deadline.left(), UNREAD)])
  return look ?? lookApart(world, choice, deadline)
}

async function lookApart(world: World, { config, profile }: Choice, deadline: Deadline): Promise<Look> {
  const args = [
    ...(config === undefined ? [] : ['--config', config]),
    ...(profile === undefined ? [] : ['--profile', profile]),
    ...['check', '--look'],
  ]
  return (await answered<Look>(world, args, deadline)) ?? UNREAD
}

/**
 * All profiles, within the time limit.
 *
 * @throws {UsageError | ConfigInvalid}
 * @throws {StoreBusy} it has passed
 */
export async function profilesInTime(world: World, choice: Choice, deadline: Deadline): Promise<Profiles> {
  assertAll(choice, world)
  if (!mayHang(world.platform)) return everyProfile(choice, world)
  const profiles = await answered<Profiles>(world, ['check', '--all', '--look'], deadline)
  if (profiles !== undefined) return profiles
  throw new StoreBusy(LATE.message, { hint: LATE.hint })
}

/** The line that a look in a process of its own prints. */
type Answer<T> = { readonly said: T } | { readonly usage: boolean; readonly trouble: Trouble }

/** @throws {UsageError | ConfigInvalid} by the process's own word */
async function answered<T>(
  world: World,
  args: readonly string[],
  { left }: Deadline,
): Promise<T | undefined> {
  const { firstLine, inTurn } = await import('../../apart.js')
  const line = await inTurn(async () => {
    const ms = left()
    if (ms <= 0) return undefined
    // The option takes whole seconds. Most of a second is one, because the start has taken some.
    const seconds = Math.max(1, Math.floor(ms / 1000 + 0.1))
    return firstLine(world, [...args, '--timeout', String(seconds)], world.env, ms)
  })
  if (line === undefined) return undefined
  const answer = JSON.parse(line) as Answer<T>
  if ('said' in answer) return answer.said
  const { message, hint } = answer.trouble
  throw new (answer.usage ? UsageError : ConfigInvalid)(message, hint === null ? {} : { hint })
}

/** A look, for the process that has asked for it. */
export function lookAsText(world: World, choice: Choice, timeoutMs: number): Promise<string> {
  return asText(() => lookAt(choice, around(world, timeoutMs * FOR_DATABASE)))
}

/** All profiles, for the process that has asked for them. */
export function profilesAsText(world: World, choice: Choice): Promise<string> {
  return asText(() => everyProfile(choice, world))
}

async function asText(work: () => unknown): Promise<string> {
  try {
    return JSON.stringify({ said: await work() })
  } catch (error) {
    return JSON.stringify({ usage: error instanceof UsageError, trouble: inWords(error) })
  }
}

/** Name only of a foreign error, because its message may quote what it choked on. */
export function inWords(error: unknown): Trouble {
  const known = foreseen(error)
  const message = known?.message ?? `a bug in hq-token: ${error instanceof Error ? error.name : typeof error}`
  return { message, hint: known?.hint ?? null }
}

const LATE = {
  message: 'nothing could be read in time: a file system, a database or another process keeps it waiting',
  hint: 'hq-token doctor',
}

const UNREAD: Unread = { kind: 'unread', state: 'UNKNOWN', ...LATE }

function around({ env, platform, homedir, clock, host }: World, askMs: number | null): LookAround {
  return {
    ...{ env, platform, homedir, clock, host, askMs },
    // Without the other ways: one line has no room.
    next: (...known) => nextCommand(...known).split('; or ')[0] ?? '',
  }
}
