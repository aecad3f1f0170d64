// Gives a profile's state and metrics from what was found of it. Prints no words.
import { worst, type CheckFinding, type CheckLimits, type CheckState } from '../../../core/check.js'
import type { World } from '../../world.js'
import type { CheckFlags } from './options.js'
import type { Measured } from './prometheus.js'

export function limitsOf({ warning, critical, failingFor, maxAge }: CheckFlags): CheckLimits {
  return {
    warning: warning ?? null,
    critical: critical ?? null,
    failingFor: failingFor ?? 900,
    maxAge: maxAge ?? null,
  }
}

/** Milliseconds. */
export function timeoutOf({ timeout = 10 }: CheckFlags): number {
  return timeout * 1000
}

export function stateOf(findings: readonly CheckFinding[]): CheckState {
  return worst(findings.map(({ state }) => state))
}

export function measuredOf(profile: string, found: Pick<Measured, 'look' | 'findings'>): Measured {
  return { profile, state: stateOf(found.findings), ...found }
}

/** Writes the metrics where that was asked for. @returns A finding if they could not be written. */
export async function measure(
  all: readonly Measured[],
  { prometheus }: CheckFlags,
  world: World,
): Promise<readonly CheckFinding[]> {
  if (prometheus === undefined) return []
  const { writeMetrics } = await import('./textfile.js')
  return writeMetrics(prometheus, all, world)
}
