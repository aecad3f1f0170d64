import inspector from 'node:inspector'
import { locate } from '../config/locate.js'
import { loadConfig, requireClient, type Config } from '../config/load.js'
import { ConfigInvalid } from '../core/errors.js'
import { TokenGuard } from '../core/guard.js'
import { expiryPolicy, type ExpiryPolicy } from '../core/policy.js'
import type { AuthorizationServer, TokenStore } from '../core/ports.js'
import { SqliteStore } from '../store/sqlite-store.js'
import { voice, type GlobalOptions, type Voice } from './output.js'
import { uninterrupted } from './signals.js'
import { packageVersion } from './version.js'
import type { World } from './world.js'

/** What a command works with. */
export interface Session {
  readonly world: World
  readonly voice: Voice
  readonly config: Config
  readonly policy: ExpiryPolicy
  readonly store: TokenStore
  readonly storePath: string
  readonly guard: TokenGuard
}

/** The composition root: the one place where configuration, store and server meet. */
export function openSession(world: World, options: GlobalOptions): Session {
  const speaker = voice(world, options)
  const around = { env: world.env, platform: world.platform, homedir: world.homedir }
  const config = loadConfig({ ...around, ...locate(options, around) })
  for (const notice of config.notices) speaker.notice(notice)

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const store = new SqliteStore(config.store.path, { env: world.env, notify: speaker.notice })
  const { seedFile } = config
  const guard = new TokenGuard({
    store,
    server: tokenEndpoint(config, world),
    clock: world.clock,
    host: world.host(),
    policy,
    timeout: config.refresh.timeout,
    lockWait: config.refresh.lockWait,
    defaultLifetime: config.refresh.defaultLifetime,
    notify: speaker.notice,
    uninterrupted,
    ...(seedFile !== null && {
      seed: async () => {
        const { seedIfThere } = await import('../config/seed-file.js')
        const found = await seedIfThere(seedFile, {
          clock: world.clock,
          defaultLifetime: config.refresh.defaultLifetime,
        })
        if (found === undefined)
          speaker.notice({
            level: 'warning',
            message: `the seed file ${seedFile} of [seed] file does not exist`,
          })
        for (const notice of found?.notices ?? []) speaker.notice(notice)
        return found?.seed
      },
    }),
  })
  return {
    world,
    voice: speaker,
    config,
    policy,
    store,
    storePath: config.store.path,
    guard,
  }
}

/** Loaded when it is first asked: a token that is fresh needs no client, no secret and no network. */
function tokenEndpoint(config: Config, { env, clock }: World): AuthorizationServer {
  let loaded: AuthorizationServer | undefined
  const endpoint = async (): Promise<AuthorizationServer> => {
    if (loaded !== undefined) return loaded
    const { TokenEndpoint } = await import('../oauth/server.js')
    const { tokenUrl, clientId, clientSecret, authMethod, scope } = requireClient(config)
    const userAgent = `hq-token/${packageVersion()}`
    loaded = new TokenEndpoint({ tokenUrl, clientId, clientSecret, authMethod, scope, clock, userAgent })
    return loaded
  }
  return {
    host: config.tokenUrl?.host ?? 'the server',
    prepare: async () => {
      if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
        throw new ConfigInvalid(
          'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of who the server is',
          {
            hint: 'unset it; for an authority of your own set NODE_EXTRA_CA_CERTS=FILE',
          },
        )
      if (inspector.url() !== undefined)
        throw new ConfigInvalid('Node’s inspector is open: whoever reaches it can read the tokens', {
          hint: 'take --inspect out of NODE_OPTIONS',
        })
      await (await endpoint()).prepare()
    },
    refresh: async (refreshToken, options) => (await endpoint()).refresh(refreshToken, options),
    // Reading needs no client: what a dead process left must be understood without one.
    read: async (answer) =>
      loaded === undefined ? (await import('../oauth/answer.js')).readAnswer(answer) : loaded.read(answer),
  }
}
