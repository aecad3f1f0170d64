// The words for people who are told of trouble with a grant. Pure; no secret and no fingerprint is in them.
import type { AlertKind } from './alerts.js'
import { rfc3339 } from './clock.js'
import { printable } from './printable.js'

/** A message for people, as the hook gets it. */
export interface Notification {
  readonly event: AlertKind | 'test'
  /** One line of ASCII, at most 120 characters. */
  readonly subject: string
  /** One line. */
  readonly message: string
  /** The next command; `null` if there is nothing to do. */
  readonly hint: string | null
  /** Epoch seconds. */
  readonly since: number
  /** How often people were told before. */
  readonly count: number
}

/** The facts that the words are made of. Instants are epoch seconds. */
export interface Told {
  readonly kind: AlertKind
  readonly since: number
  readonly count: number
  /** When the access token ends; `null` without one. */
  readonly accessEnds: number | null
  /** When the refresh token ends; `null` if the server does not say. */
  readonly refreshEnds: number | null
  /** Whether refreshes do not move that. */
  readonly isFixed: boolean
  /** Whether no refresh can help any more. */
  readonly hasEnded: boolean
  /** Whether that is by the server's word. */
  readonly isRefused: boolean
  readonly failures: number
  readonly lastFailure: string | null
  readonly now: number
  /** The next command on the way to a login. */
  readonly login: string
}

/** The host and the grant that a notification is about. */
export interface Place {
  readonly profile: string | null
  readonly instance: string | null
  readonly host: string
  /** The account of the machine. */
  readonly account: string
  /** The user of the grant. */
  readonly user: string | null
  readonly store: string
}

const LONGEST_SUBJECT = 120
const LONGEST_HOST = 40

/** @param typed The hint as this user can type it. */
export function notificationOf(told: Told, place: Place, typed: (hint: string) => string): Notification {
  const { kind, since, count } = told
  const { title, message, hint } = WORDS[kind](told)
  return {
    ...{ event: kind, subject: subjectOf(title, place), message: printable(message), since, count },
    hint: hint === null ? null : typed(hint),
  }
}

export function testNotification(place: Place, now: number): Notification {
  return {
    event: 'test',
    subject: subjectOf('this is a test', place),
    message: 'this is a test of the notification: nothing is wrong',
    ...{ hint: null, since: now, count: 0 },
  }
}

/** The text of a mail. */
export function textOf(notification: Notification, place: Place): string {
  const lines = rowsOf(notification, place).map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`)
  return `${sentence(notification)}\n\n${lines.join('\n')}\n`
}

/** The text of a chat, which has no subject and no columns. */
export function chatTextOf(notification: Notification, place: Place): string {
  const lines = rowsOf(notification, place).map(([name, value]) => `${name}: ${value}`)
  return [notification.subject, sentence(notification), ...lines].join('\n')
}

function sentence({ message }: Notification): string {
  return `${message[0]?.toUpperCase() ?? ''}${message.slice(1)}.`
}

function rowsOf(
  { hint, since, count }: Notification,
  { profile, instance, host, account, user, store }: Place,
): readonly (readonly [string, string])[] {
  const rows: readonly (readonly [string, string | null])[] = [
    ['Since', rfc3339(since)],
    ['Next', hint],
    ['Host', `${host}, as ${account}`],
    ['Instance', instance],
    ['User', user],
    ['Profile', profile],
    ['Store', store],
    ['Told before', count === 0 ? null : count === 1 ? 'once' : `${count} times`],
  ]
  return rows.flatMap(([name, value]) => (value === null ? [] : [[name, printable(value)] as const]))
}

interface Words {
  readonly title: string
  readonly message: string
  readonly hint: string | null
}

const WORDS: Readonly<Record<AlertKind, (told: Told) => Words>> = {
  login_required: ({ login, lastFailure, refreshEnds, isRefused, ...told }) => ({
    title: 'a person must log in',
    message: `a person must log in: ${isRefused && lastFailure !== null ? lastFailure : ended(refreshEnds)}; ${accessOf(told)}`,
    hint: login,
  }),
  failing: ({ since, failures, lastFailure, ...told }) => ({
    title: `refreshes fail since ${rfc3339(since)}`,
    message: `${failures} ${failures === 1 ? 'refresh has' : 'refreshes have'} failed since ${rfc3339(since)}${quoted(lastFailure)}; ${accessOf(told)}`,
    hint: 'hq-token doctor --online',
  }),
  ending: ({ hasEnded, refreshEnds, isFixed, login, ...told }) =>
    hasEnded
      ? {
          title: 'the last access token ends',
          message: `${accessOf(told)}, and no refresh can follow`,
          hint: login,
        }
      : {
          title: `the refresh token ends on ${rfc3339(refreshEnds ?? 0).slice(0, 10)}`,
          message: `the refresh token ends at ${rfc3339(refreshEnds ?? 0)}${isFixed ? ', and refreshes do not move that' : ''}; ${accessOf(told)}`,
          hint: isFixed ? login : `hq-token refresh; where that brings no later end: ${login}`,
        },
  recovered: ({ since, ...told }) => ({
    title: 'all is well again',
    message: `the trouble that began at ${rfc3339(since)} is over; ${accessOf(told)}`,
    hint: null,
  }),
}

function accessOf({ accessEnds, now }: Pick<Told, 'accessEnds' | 'now'>): string {
  if (accessEnds === null) return 'there is no access token'
  return accessEnds > now
    ? `the access token is good until ${rfc3339(accessEnds)}`
    : `the access token is over since ${rfc3339(accessEnds)}`
}

function ended(refreshEnds: number | null): string {
  return refreshEnds === null ? 'the token set is gone' : `the refresh token ended at ${rfc3339(refreshEnds)}`
}

function quoted(failure: string | null): string {
  return failure === null ? '' : ` (${failure})`
}

/**
 * Names the profile, else the server: a person may have many. The names are cut rather than the title. A mail's subject has
 * no other characters without an encoding of its own.
 */
function subjectOf(title: string, { profile, instance, host }: Place): string {
  const which = profile ?? (instance === null ? null : new URL(instance).host)
  const names = `${host.slice(0, LONGEST_HOST)}${which === null ? '' : `, ${which}`}`
  const room = LONGEST_SUBJECT - title.length - 'hq-token on : '.length
  return `hq-token on ${names.slice(0, room)}: ${title}`.replace(/[^\x20-\x7e]/g, '?')
}
