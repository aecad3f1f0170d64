// Hands a notification to the configured command and address. Remembers nothing, and touches no store.
import type { NotifyCommand, NotifyConfig, NotifyUrl } from '../config/notify.js'
import { chatTextOf, textOf, type Notification, type Place } from '../core/alert-messages.js'
import { rfc3339 } from '../core/clock.js'
import { TokenError } from '../core/errors.js'
import { printable } from '../core/printable.js'
import { runShellCommand } from '../platform/shell-command.js'
import type { Network } from '../network/network.js'
import { packageVersion } from '../version.js'

/** Milliseconds for a command to tidy up when its time is over. */
const GRACE_MS = 5_000
/** Bytes of the command's output that a message shows. */
const MOST_OUTPUT = 200

/** One way of telling people, and how it went. */
export interface Delivery {
  /** The key of `[notify]`. */
  readonly way: 'command' | 'url'
  /** Names the setting. */
  readonly where: string
  /** In words that follow its name; `null` if it went well. */
  readonly problem: string | null
}

export interface Means {
  /** For the command: without secrets. */
  readonly env: NodeJS.ProcessEnv
  /** @throws {ConfigInvalid} */
  readonly agent: (first: URL) => Promise<Network['agent']>
}

/** Tells people by each configured way. Never rejects. */
export function deliver(
  notification: Notification,
  place: Place,
  { command, url, timeout }: NotifyConfig,
  means: Means,
): Promise<readonly Delivery[]> {
  const ways = [
    ...(command === null ? [] : [run(command, notification, place, timeout, means)]),
    ...(url === null ? [] : [send(url, notification, place, timeout, means)]),
  ]
  return Promise.all(ways)
}

async function run(
  { text, cwd, where }: NotifyCommand,
  notification: Notification,
  place: Place,
  timeout: number,
  { env }: Means,
): Promise<Delivery> {
  const end = await runShellCommand({
    ...{ command: text, cwd, env: { ...env, ...variables(notification, place) } },
    ...{ input: textOf(notification, place), isQuiet: true, mostOutput: MOST_OUTPUT },
    ...{ timeoutMs: timeout * 1000, graceMs: GRACE_MS },
  })
  const way = 'command'
  if (end.kind === 'too-slow') return { way, where, problem: `did not end within ${timeout} s` }
  if (end.kind !== 'ended') return { way, where, problem: 'could not be run' }
  const said = printable(
    withoutPaths(end.output.toString())
      .slice(0, MOST_OUTPUT)
      .trim()
      .replace(/\s*\n\s*/g, '; '),
  )
  const how = end.signal === null ? `exit status ${String(end.code)}` : end.signal
  return { way, where, problem: end.code === 0 ? null : `gave ${how}${said === '' ? '' : `: ${said}`}` }
}

/** The address of a webhook is a secret, and programs quote it. */
function withoutPaths(text: string): string {
  return text.replace(/(\bhttps?:\/\/[^\s/"'<>]*)\/[^\s"'<>]*/g, '$1/…')
}

/** Environment variables cannot hold a null character. */
function variables(notification: Notification, place: Place): Record<string, string> {
  const { event, subject, message, hint, since, count } = notification
  const texts = {
    ...{ '': event, _SUBJECT: subject, _MESSAGE: message, _HINT: hint ?? '' },
    ...{ _SINCE: rfc3339(since), _COUNT: String(count) },
    ...{ _PROFILE: place.profile ?? '', _INSTANCE: place.instance ?? '', _HOST: place.host },
  }
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [`HQ_TOKEN_EVENT${name}`, printable(text)]),
  )
}

async function send(
  { where, read }: NotifyUrl,
  notification: Notification,
  place: Place,
  timeout: number,
  { agent }: Means,
): Promise<Delivery> {
  const way = 'url'
  try {
    const url = new URL((await read()).reveal())
    const { post } = await import('../network/post.js')
    const problem = await post(await agent(url), {
      ...{ url, body: bodyOf(notification, place), contentType: 'application/json' },
      ...{ userAgent: `hq-token/${packageVersion()}`, timeoutMs: timeout * 1000 },
    })
    return { way, where, problem }
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return { way, where, problem: `could not be used: ${error.message}` }
  }
}

/** `text` is what Slack, Mattermost and the workflows of Teams read. */
function bodyOf(notification: Notification, place: Place): string {
  const { event, subject, message, hint, since, count } = notification
  return JSON.stringify({
    ...{ format_version: 1, event, subject, message, hint, since: rfc3339(since), count },
    ...{ profile: place.profile, instance: place.instance, host: place.host },
    text: chatTextOf(notification, place),
  })
}
