// Says how the token set stands, as a plugin of a monitoring system. Makes nothing, sends nothing, takes no lock.
import { resolve } from 'node:path'
import { CHECK_EXIT, findingsOf, type CheckLimits } from '../../../core/check.js'
import { OutputFailed } from '../../../core/errors.js'
import { named } from '../../../wiring/profiles.js'
import { voice, writeLines, writeOut, type GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'
import { deadlineIn, inWords, lookAsText, lookInTime, profilesAsText } from './look.js'
import type { CheckFlags } from './options.js'
import { furtherLine, performanceData, statusLine } from './line.js'
import { limitsOf, measure, measuredOf, stateOf, timeoutOf } from './measured.js'
import type { Measured } from './prometheus.js'
import { wordsOf, words } from './words.js'

/** @returns The exit code of a monitoring plugin. */
export async function check(world: World, options: GlobalOptions, flags: CheckFlags): Promise<number> {
  if (flags.look === true) {
    const text =
      flags.all === true ? profilesAsText(world, options) : lookAsText(world, options, timeoutOf(flags))
    await writeOut(world.stdout, `${await text}\n`)
    return CHECK_EXIT.OK
  }
  const { prometheus = '-' } = flags
  if (prometheus !== '-')
    (await import('../../../wiring/own-files.js')).assertNotOwnOf(prometheus, '--prometheus', options, world)
  try {
    return await (flags.all === true
      ? (await import('./all.js')).checkAll(world, options, flags)
      : checkOne(world, options, flags))
  } catch (error) {
    if (flags.prometheus === undefined || error instanceof OutputFailed) throw error
    return unmeasured(error, world, options, flags)
  }
}

async function checkOne(world: World, options: GlobalOptions, flags: CheckFlags): Promise<number> {
  const limits = limitsOf(flags)
  const look = await lookInTime(world, options, deadlineIn(timeoutOf(flags)))
  const measured = measuredOf(labelOf(options, world), { look, findings: findingsOf(look, limits) })
  const findings = [...measured.findings, ...(await measure([measured], flags, world))]
  const state = stateOf(findings)
  if (flags.prometheus !== '-') await writeLines(world, linesOf({ look, findings }, limits, world, options))
  if (flags.notify === true && look.kind !== 'unread')
    await (await import('./tell.js')).tellQuietly(world, [options])
  return CHECK_EXIT[state]
}

/** Else the metrics of the last check stay, which may say that all is well. */
async function unmeasured(
  error: unknown,
  world: World,
  options: GlobalOptions,
  flags: CheckFlags,
): Promise<number> {
  const look = { kind: 'unread', state: 'UNKNOWN', ...inWords(error) } as const
  const label = flags.all === true ? profileLabel(undefined) : labelOf(options, world)
  const measured = measuredOf(label, { look, findings: findingsOf(look, limitsOf(flags)) })
  const findings = [...measured.findings, ...(await measure([measured], flags, world))]
  const { typed } = voice(world, options)
  if (flags.prometheus !== '-') await writeLines(world, statusLine('UNKNOWN', words(look, findings, typed)))
  return CHECK_EXIT.UNKNOWN
}

/** The status line, and with `-v` a line for each finding. */
function linesOf(
  { look, findings }: Pick<Measured, 'look' | 'findings'>,
  limits: CheckLimits,
  world: World,
  options: GlobalOptions,
): string {
  const { typed } = voice(world, options)
  const profile =
    options.profile ?? (isNamed(options, world) ? undefined : world.env['HQ_TOKEN_PROFILE']?.trim())
  const said = `${profile ? `${profile}: ` : ''}${words(look, findings, typed)}`
  const line = statusLine(stateOf(findings), said, performanceData(look, limits))
  const more =
    options.verbose === true ? findings.map((one) => furtherLine(one.state, wordsOf(one, look, typed))) : []
  return [line, ...more].join('')
}

/** The label of the series. It needs no configuration that can be read. */
function labelOf(options: GlobalOptions, world: World): string {
  const { config, profile } = options
  if (!isNamed(options, world)) return profileLabel(profile ?? world.env['HQ_TOKEN_PROFILE']?.trim())
  const typed = config ?? world.env['HQ_TOKEN_CONFIG'] ?? ''
  try {
    return config === undefined ? (named('HQ_TOKEN_CONFIG', world)?.path ?? typed) : resolve(config)
  } catch {
    // The working folder is gone, or there is no home.
    return typed.trim()
  }
}

/** A profile that is called default is another than the configuration without a profile. */
function profileLabel(name: string | undefined): string {
  return name === 'default' ? 'profiles/default' : name || 'default'
}

/** Whether a file was named instead of a profile. */
function isNamed({ config, profile }: GlobalOptions, { env }: World): boolean {
  return config !== undefined || (profile === undefined && Boolean(env['HQ_TOKEN_CONFIG']?.trim()))
}

/** Reports an error in the one line that a monitoring system reads. Never rejects. */
export async function reportUnknown(error: unknown, world: World, options: GlobalOptions): Promise<number> {
  const { message, hint } = inWords(error)
  const next = hint === null ? '' : `: ${voice(world, options).typed(hint)}`
  await writeLines(world, statusLine('UNKNOWN', message.replace(/\.$/, '') + next)).catch(() => undefined)
  return CHECK_EXIT.UNKNOWN
}
