// Says how the token set stands, as a plugin of a monitoring system. Makes nothing, sends nothing, takes no lock.
import {
  CHECK_EXIT,
  findingsOf,
  worst,
  type CheckFinding,
  type CheckLimits,
  type CheckState,
  type Look,
} from '../../../core/check.js'
import { TokenError } from '../../../core/errors.js'
import { noMoreFiles } from '../../../platform/errno.js'
import { lookAt } from '../../../wiring/look.js'
import { nextCommand } from '../../next-step.js'
import { voice, writeOut, type GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'
import type { CheckFlags } from './command.js'
import { performanceData, statusLine } from './line.js'
import { words, wordsOf } from './words.js'

/** @returns The exit code of a monitoring plugin. */
export async function check(world: World, options: GlobalOptions, flags: CheckFlags): Promise<number> {
  const limits: CheckLimits = {
    warning: flags.warning ?? null,
    critical: flags.critical ?? null,
    failingFor: flags.failingFor,
    maxAge: flags.maxAge ?? null,
  }
  const look = await inTime(world, options, flags.timeout)
  const findings: CheckFinding[] = [...findingsOf(look, limits)]
  const profile =
    options.profile ?? (options.config === undefined ? world.env['HQ_TOKEN_PROFILE'] : undefined)
  if (flags.prometheus !== undefined) {
    const { writeMetrics } = await import('./textfile.js')
    const state = stateOf(findings)
    const failure = await writeMetrics(
      flags.prometheus,
      [{ profile: labelOf(world, options), state, look, findings }],
      world,
    )
    if (flags.prometheus === '-') return CHECK_EXIT[state]
    if (failure !== undefined) findings.push(failure)
  }
  const state = stateOf(findings)
  const { typed } = voice(world, options)
  const said = (text: string): string => (profile ? `${profile}: ${text}` : text)
  const line = statusLine(state, said(typed(words(look, findings))), performanceData(look, limits))
  const more =
    options.verbose === true ? findings.map((one) => statusLine(one.state, typed(wordsOf(one, look)))) : []
  await writeOut(world.stdout, [line, ...more].join(''))
  return CHECK_EXIT[state]
}

function stateOf(findings: readonly CheckFinding[]): CheckState {
  return worst(findings.map(({ state }) => state))
}

async function inTime(world: World, options: GlobalOptions, timeout: number): Promise<Look> {
  const { env, platform, homedir, clock, host } = world
  const next: Parameters<typeof lookAt>[1]['next'] = (...known) =>
    nextCommand(...known).split('; or ')[0] ?? ''
  return lookAt(options, { env, platform, homedir, clock, host, next, timeoutMs: timeout * 1000 })
}

/** The label of the series: known without a configuration. */
function labelOf({ env }: World, { config, profile }: GlobalOptions): string {
  return config ?? profile ?? env['HQ_TOKEN_CONFIG'] ?? env['HQ_TOKEN_PROFILE'] ?? 'default'
}

/** Reports an error in the one line that a monitoring system reads. Never throws. */
export async function reportUnknown(error: unknown, world: World, options: GlobalOptions): Promise<number> {
  const known = error instanceof TokenError ? error : noMoreFiles(error)
  const message = known?.message ?? `a bug in hq-token: ${error instanceof Error ? error.name : typeof error}`
  const hint = known?.hint === undefined ? '' : `: ${voice(world, options).typed(known.hint)}`
  await writeOut(world.stdout, statusLine('UNKNOWN', message + hint)).catch(() => undefined)
  return CHECK_EXIT.UNKNOWN
}
