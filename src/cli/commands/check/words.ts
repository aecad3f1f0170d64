// Puts findings into words for a monitoring system, the next command among them. Decides nothing.
import type { CheckFinding, Grant, Look, Trouble } from '../../../core/check.js'
import { rfc3339 } from '../../../core/clock.js'
import { short } from '../../../core/duration.js'
import { hints } from '../../../platform/hints.js'

/** A command as this user can type it; the words around it may quote a server, and stay as they are. */
type Typed = (command: string) => string

/** All findings in one line, or how well all is. */
export function words(look: Look, findings: readonly CheckFinding[], typed: Typed): string {
  if (findings.length === 0 && look.kind === 'grant') return allWell(look)
  return findings.map((finding) => wordsOf(finding, look, typed)).join('; ')
}

export function wordsOf(finding: CheckFinding, look: Look | undefined, typed: Typed): string {
  const grant = look?.kind === 'grant' ? look : undefined
  const ago = (instant: number): string => short((grant?.now ?? instant) - instant)
  switch (finding.what) {
    case 'unread':
      return troubled(finding, typed)
    case 'no-token-set':
      return `no token set: ${typed(finding.next)}`
    case 'seed-ready':
      return `no token set yet: ${typed('hq-token get')}`
    case 'seed-unfit':
      return `no token set, and ${troubled(finding, typed)}`
    case 'other-client':
      return `the token set belongs to another client than the configured one: ${typed('hq-token doctor')}`
    case 'not-usable':
      return `the access token is of a type that hq-token cannot use: ${typed('hq-token doctor')}`
    case 'refused':
      return `a person must log in: ${typed(finding.next)} (refused ${rfc3339(finding.since)}${goodFor(grant, '; ')})`
    case 'likely-dead':
      return `a person must log in: ${typed(finding.next)} (the server only refuses, without a reason, since ${rfc3339(finding.since)})`
    case 'refresh-over':
      return `a person must log in: ${typed(finding.next)} (the refresh token ended ${rfc3339(finding.since)}${goodFor(grant, '; ')})`
    case 'failed-over':
      return `${failed(finding)}, and the access token is over since ${ago(grant?.accessEndsAt ?? 0)}: ${typed('hq-token doctor')} (${finding.failure.code}: ${finding.failure.message})`
    case 'client-refused':
      return `${failed(finding)}, and will not work again by itself: ${typed('hq-token doctor')} (${finding.failure.code}: ${finding.failure.message})${goodFor(grant, '; ')}`
    case 'failing':
      return `${failed(finding)} (${finding.failure.code})${goodFor(grant, '; ')}`
    case 'refresh-ends':
      return `the refresh token ends in ${short(finding.endsAt - (grant?.now ?? 0))} (${rfc3339(finding.endsAt)}): ${typed(finding.next)}`
    case 'stale':
      return `the last success was ${ago(finding.since)} ago (${rfc3339(finding.since)}): ${typed('hq-token refresh')}`
    case 'unfinished':
      return `an exchange is unfinished since ${rfc3339(finding.since)}: ${typed('hq-token get')}`
    case 'untold':
      return `a notification could not be delivered since ${rfc3339(finding.since)}: ${typed('hq-token notify --test')} (${finding.failure})`
    case 'came-from':
      return `the store came here from ${finding.origin.name} at ${rfc3339(finding.origin.at)}: stop hq-token on one of the two`
    case 'clock-behind':
      return `the clock of this machine is behind the time when the token was obtained (${rfc3339(finding.since)}): ${hints.clock()}`
    case 'from-future':
      return `the store tells of ${rfc3339(finding.at)}, which is ahead of the clock of this machine: ${hints.clock()}`
    case 'out-of-reach':
      return `${troubled(finding, typed)}; ${asSeen(grant)}`
  }
}

function troubled({ message, hint }: Trouble, typed: Typed): string {
  return hint === null ? message : `${message}: ${typed(hint)}`
}

function failed({ failures, since }: Extract<CheckFinding, { readonly failures: number }>): string {
  return failures > 1
    ? `${failures} refreshes have failed since ${rfc3339(since)}`
    : `the last refresh failed at ${rfc3339(since)}`
}

function goodFor(grant: Grant | undefined, before: string): string {
  const left = grant === undefined ? 0 : grant.accessEndsAt - grant.now
  return left > 0 ? `${before}the access token is good for ${short(left)}` : ''
}

function allWell(grant: Grant): string {
  const { now, state, accessEndsAt, refresh, succeededAt, seen } = grant
  const left = accessEndsAt - now
  const end =
    refresh === null
      ? 'the server tells no end of the refresh token'
      : `refresh token ${short(refresh.endsAt - now)} left`
  return [
    ...(left > 0
      ? [state, `access token ${short(left)} left`]
      : [`access token over since ${short(-left)}: the next get renews it`]),
    `${end}, renewed ${short(now - succeededAt)} ago`,
    ...(seen === null ? [] : [asSeen(grant)]),
  ].join('; ')
}

/** How old the knowledge of a shared store is. */
function asSeen(grant: Grant | undefined): string {
  const at = grant?.seen?.at ?? null
  return at === null || grant === undefined
    ? 'this host has never seen it'
    : `as this host saw it ${short(grant.now - at)} ago`
}
