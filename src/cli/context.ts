import { url as inspectorUrl } from 'node:inspector'
import { ConfigInvalid } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { open, type Around, type Opened } from '../wiring/open.js'
import { voice, type GlobalOptions, type Voice } from './output.js'
import type { World } from './world.js'

/** What a command works with. */
export interface Session extends Opened {
  readonly world: World
  readonly voice: Voice
}

/** @param wanted Notices of the guard and the configuration that it turns down are not said. */
export function openSession(
  world: World,
  options: GlobalOptions,
  wanted: (notice: Notice) => boolean = () => true,
): Session {
  const speaker = voice(world, options)
  return { ...open(options, around(world, speaker, wanted)), world, voice: speaker }
}

export function around(
  world: World,
  speaker: Voice,
  wanted: (notice: Notice) => boolean = () => true,
): Around {
  const { env, platform, homedir, clock, host, handover } = world
  const notify = (notice: Notice): void => {
    if (wanted(notice)) speaker.notice(notice)
  }
  // Node's own warnings come here too.
  const holdBack = (): (() => void) => {
    world.stderr.cork()
    return () => {
      world.stderr.uncork()
    }
  }
  return { env, platform, homedir, clock, host, notify, beforeSending, handover, holdBack }
}

function beforeSending(): void {
  if (inspectorUrl() !== undefined)
    throw new ConfigInvalid('Node’s inspector is open: whoever reaches it can read the tokens', {
      hint: 'take --inspect out of NODE_OPTIONS',
    })
}
