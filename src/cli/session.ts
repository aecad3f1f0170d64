// Opens what a command works with, and ends it. Knows no command.
import { url as inspectorUrl } from 'node:inspector'
import { ConfigInvalid, hinted, LOGIN_HINT, LoginRequired } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { isUnconfigured, notConfigured } from '../core/unconfigured.js'
import { open, type Around, type CommandChoice, type Opened } from '../wiring/open.js'
import { nextCommand } from './next-step.js'
import { voice, type GlobalOptions, type Voice } from './terminal/output.js'
import type { World } from './world.js'

/** The world, the voice, and all that `open` puts together. */
export interface Session extends Opened {
  readonly world: World
  readonly voice: Voice
  /** Says a warning or news, if the command wants it said. */
  readonly notify: (notice: Notice) => void
}

/** @param wanted Turns down notices of the guard and the configuration that are not to be printed. */
export function openSession(
  world: World,
  options: GlobalOptions & CommandChoice,
  wanted: (notice: Notice) => boolean = () => true,
): Session {
  const speaker = voice(world, options)
  const surroundings = around(world, speaker, wanted)
  return { ...open(options, surroundings), world, voice: speaker, notify: surroundings.notify }
}

export function around(
  world: World,
  speaker: Voice,
  wanted: (notice: Notice) => boolean = () => true,
): Around {
  const { env, platform, homedir, isQuiet = false, clock, host, handover } = world
  const notify = (notice: Notice): void => {
    if (wanted(notice)) speaker.notice(notice)
  }
  // Corks standard error itself, because Node's own warnings go there too.
  const holdBack = (): (() => void) => {
    world.stderr.cork()
    return () => {
      world.stderr.uncork()
    }
  }
  return { env, platform, homedir, isQuiet, clock, host, notify, beforeSending, handover, holdBack }
}

function beforeSending(): void {
  if (inspectorUrl() !== undefined)
    throw new ConfigInvalid('Node’s inspector is open: whoever reaches it can read the tokens', {
      hint: 'take --inspect out of NODE_OPTIONS',
    })
}

/**
 * Does the work of a command, and waits until the guard has settled. If a person must log in, the error says how.
 *
 * @param opened Gets the session before the work begins.
 */
export async function inSession<T>(
  world: World,
  options: GlobalOptions & CommandChoice,
  work: (session: Session) => Promise<T>,
  opened?: (session: Session) => void,
): Promise<T> {
  const session = openSession(world, options)
  opened?.(session)
  try {
    return await namingTheNextStep(session, () => work(session))
  } finally {
    await session.guard.settled()
    await session.store.close()
  }
}

/** Does the work of a command. If a person must log in, the error says how. */
export async function namingTheNextStep<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { config, store, world } = session
    const isMissing = error instanceof LoginRequired || error instanceof ConfigInvalid
    if (isMissing && isUnconfigured(config) && (await isEmpty(store))) throw notConfigured()
    if (!(error instanceof LoginRequired) || error.hint?.includes(LOGIN_HINT) !== true) throw error
    const way = nextCommand(config, await store.login().catch(() => undefined), world.clock().now)
    throw hinted(error, error.hint.replace(LOGIN_HINT, way))
  }
}

/** A grant that has ended needs a login, whatever is configured: then the store is not empty. */
async function isEmpty(store: Session['store']): Promise<boolean> {
  return (await store.read()) === undefined && (await store.login()) === undefined
}
