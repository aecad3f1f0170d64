// Tells which environment variables are ours, because a misspelt one would have no effect and nobody would know
// why. Reads no value but whether it is empty.
import type { Notice } from '../core/ports.js'
import { configKeys } from './keys.js'
import { variable, type Surroundings } from './paths.js'
import type { Suggest } from './suggest.js'

const PREFIX = 'HQ_TOKEN_'

/** Variables that are no keys. The program reads the first four; `exec` and `get --format env` set the others. */
const OTHERS = ['CONFIG', 'PROFILE', 'CONFIG_DIR', 'STATE_DIR', 'EXPIRES_AT', 'FILE']

/** Variables that the command of a notification will get. */
const GIVEN = /^EVENT(?:_|$)/

/**
 * Variables that Kubernetes sets in every container for a service called `hq-token`, or `hq-token-…`.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const INJECTED =
  /^(?:SERVICE_|PORT(?:_|$)|\w+_SERVICE_(?:HOST|PORT(?:_\w+)?)$|\w+_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?$)/

/** A name that a message may repeat. Other names may be a secret that somebody has pasted there by mistake. */
const SHOWN = /^[A-Z][A-Z0-9_]{0,31}$/i

/** Maps names that somebody may think of to our names: `STORE_PATH` is a section and its key. */
function names(): ReadonlyMap<string, string> {
  const supported = configKeys
    .filter((key) => key.supported)
    .map(({ env, ...key }) => ({ ...key, name: ownPart(env) }))
  return new Map([
    ...supported.map(({ section, key, name }): [string, string] => [`${section}_${key}`.toUpperCase(), name]),
    // For somebody who takes the first TOKEN for that of the key.
    ...supported.map(({ name }): [string, string] => [name.replace(/^TOKEN_/, ''), name]),
    ...[...supported.map(({ name }) => name), ...OTHERS].map((name): [string, string] => [name, name]),
  ])
}

function ownPart(env: string): string {
  return env.slice(PREFIX.length)
}

/** Looks through the list, because every call asks for few names and a set takes longer to make. */
function isKnown(name: string): boolean {
  const env = PREFIX + name
  return (
    OTHERS.includes(name) ||
    configKeys.some((key) => key.env === env) ||
    GIVEN.test(name) ||
    INJECTED.test(name)
  )
}

/**
 * A warning for each variable that begins as ours do and is none of ours. An empty one counts as unset. No message
 * holds a value.
 *
 * @param suggest Finds the closest name.
 */
export function environmentNotices(
  { env, platform }: Pick<Surroundings, 'env' | 'platform'>,
  suggest: Suggest,
): Notice[] {
  const notices: Notice[] = []
  for (const given in env) {
    // Windows ignores the case of names.
    const name = platform === 'win32' ? given.toUpperCase() : given
    if (!name.startsWith(PREFIX) || variable(env, given) === undefined) continue
    const own = ownPart(name)
    if (!isKnown(own)) notices.push(unknown(own, suggest))
  }
  return notices
}

function unknown(name: string, suggest: Suggest): Notice {
  const shown = SHOWN.test(name) ? `${PREFIX}${name}` : `a variable that begins with ${PREFIX}`
  const all = names()
  const close = suggest(name.toUpperCase().slice(0, 64), [...all.keys()])
  const hint =
    close === undefined
      ? 'config.example.ini shows every variable'
      : `did you mean ${PREFIX}${all.get(close) ?? close}?`
  return { level: 'warning', message: `${shown} is not known and has no effect`, hint }
}
