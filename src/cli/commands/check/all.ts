// Says how the token sets of all profiles stand, in one line for all and one for each. Decides nothing.
import {
  CHECK_EXIT,
  findingsOf,
  type CheckFinding,
  type CheckLimits,
  type Look,
} from '../../../core/check.js'
import { environmentOfEach, type Closed, type Profile } from '../../../wiring/profiles.js'
import { voice, writeLines, type GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'
import type { CheckFlags } from './options.js'
import { furtherLine, statusLine } from './line.js'
import { deadlineIn, inWords, lookInTime, profilesInTime } from './look.js'
import { limitsOf, measure, measuredOf, stateOf, timeoutOf } from './measured.js'
import type { Measured } from './prometheus.js'
import { words, wordsOf } from './words.js'

/** @returns The exit code of the worst. */
export async function checkAll(world: World, options: GlobalOptions, flags: CheckFlags): Promise<number> {
  const deadline = deadlineIn(timeoutOf(flags))
  const { profiles, closed } = await profilesInTime(world, options, deadline)
  const each = { ...world, env: environmentOfEach(world.env) }
  const limits = limitsOf(flags)
  const seen = await Promise.all(
    profiles.map(async ({ name, choice }) => {
      const look = await lookInTime(each, choice, deadline).catch(unreadable)
      return measuredOf(name, { look, findings: findingsOf(look, limits) })
    }),
  )
  const all = [...seen, ...closed.flatMap((one) => (one.isOwn ? [ofClosed(one, limits)] : []))]
  const failures = await measure(all, flags, world)
  const state = stateOf([...all.flatMap(({ findings }) => findings), ...failures])
  const tells = async (): Promise<void> => {
    if (flags.notify !== true) return
    const { tellQuietly } = await import('./tell.js')
    const readable = profiles.filter((_, nth) => all[nth]?.look.kind !== 'unread')
    await tellQuietly(
      each,
      readable.map(({ choice }) => choice),
    )
  }
  if (flags.prometheus === '-') {
    await tells()
    return CHECK_EXIT[state]
  }
  const lines = all.flatMap((measured, nth) => linesOf(measured, profiles[nth], world, options))
  const more = failures.map((one) =>
    furtherLine(
      one.state,
      wordsOf(one, undefined, (hint) => hint),
    ),
  )
  // The profiles of the machine may be those of another user, who checks them.
  const passed = closed.filter(({ isOwn }) => !isOwn)
  const notes = passed.map(({ message }) => furtherLine('OK', `passed over: ${message}`))
  await writeLines(world, [statusLine(state, counted(all)), ...lines, ...more, ...notes].join(''))
  await tells()
  return CHECK_EXIT[state]
}

/** The user's own folder of profiles, which cannot be read: there may be profiles in it. */
function ofClosed({ folder, message, hint }: Closed, limits: CheckLimits): Measured {
  const look: Look = { kind: 'unread', state: 'UNKNOWN', message, hint }
  return measuredOf(folder, { look, findings: findingsOf(look, limits) })
}

/** A profile that cannot be used does not hide the others. */
function unreadable(error: unknown): Look {
  return { kind: 'unread', state: 'UNKNOWN', ...inWords(error) }
}

/** `3 profiles: 1 CRITICAL, 2 OK` */
function counted(all: readonly Measured[]): string {
  const counts = (['CRITICAL', 'WARNING', 'UNKNOWN', 'OK'] as const).flatMap((state) => {
    const count = all.filter((one) => one.state === state).length
    return count === 0 ? [] : [`${count} ${state}`]
  })
  return `${all.length} ${all.length === 1 ? 'profile' : 'profiles'}: ${counts.join(', ')}`
}

function linesOf(
  { profile: name, state, look, findings }: Measured,
  profile: Profile | undefined,
  world: World,
  { verbose }: GlobalOptions,
): readonly string[] {
  const { typed } = voice(world, profile?.choice ?? {})
  const line = (of: CheckFinding['state'], text: string): string => furtherLine(of, `${name}: ${text}`)
  return verbose === true && findings.length > 1
    ? findings.map((one) => line(one.state, wordsOf(one, look, typed)))
    : [line(state, words(look, findings, typed))]
}
