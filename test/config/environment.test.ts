import { describe, expect, it } from 'vitest'
import { environmentNotices } from '../../src/config/environment.js'
import { configKeys } from '../../src/config/keys.js'
import { suggestion } from '../../src/config/suggest.js'

const CANARY = 'cAnArY-0123456789'

const noticesOf = (names: readonly string[], platform: NodeJS.Platform = 'linux') =>
  environmentNotices({ env: Object.fromEntries(names.map((name) => [name, CANARY])), platform }, suggestion)

describe('a variable that begins with HQ_TOKEN_', () => {
  it.each([
    ['HQ_TOKEN_STROE', 'HQ_TOKEN_STORE'],
    ['HQ_TOKEN_CONFG', 'HQ_TOKEN_CONFIG'],
    ['HQ_TOKEN_CLIENTID', 'HQ_TOKEN_CLIENT_ID'],
    ['HQ_TOKEN_CLIENT_SECRET_FIEL', 'HQ_TOKEN_CLIENT_SECRET_FILE'],
    ['HQ_TOKEN_CONFIGDIR', 'HQ_TOKEN_CONFIG_DIR'],
    ['HQ_TOKEN_STATEDIR', 'HQ_TOKEN_STATE_DIR'],
    // The section and the key, as in other programs.
    ['HQ_TOKEN_STORE_PATH', 'HQ_TOKEN_STORE'],
    ['HQ_TOKEN_CLIENT_INSTANCE', 'HQ_TOKEN_INSTANCE'],
    ['HQ_TOKEN_REFRESH_TIMEOUT', 'HQ_TOKEN_TIMEOUT'],
    ['HQ_TOKEN_NETWORK_PROXY', 'HQ_TOKEN_PROXY'],
    ['HQ_TOKEN_URL', 'HQ_TOKEN_TOKEN_URL'],
    // Elsewhere than on Windows the case counts.
    ['HQ_TOKEN_store', 'HQ_TOKEN_STORE'],
  ])('such as %s is warned of, with %s as the nearest', (name, meant) => {
    expect(noticesOf([name])).toEqual([
      { level: 'warning', message: `${name} is not known and has no effect`, hint: `did you mean ${meant}?` },
    ])
  })

  it('such as none of ours is warned of', () => {
    expect(noticesOf(['HQ_TOKEN_XYZZY'])).toEqual([
      {
        level: 'warning',
        message: 'HQ_TOKEN_XYZZY is not known and has no effect',
        hint: 'config.example.ini shows every variable',
      },
    ])
  })

  it.each([
    ...configKeys.map(({ env }) => env),
    ...['HQ_TOKEN_CONFIG', 'HQ_TOKEN_PROFILE', 'HQ_TOKEN_CONFIG_DIR', 'HQ_TOKEN_STATE_DIR'],
    // What `exec` sets: a command of its may call the program again.
    ...['HQ_TOKEN', 'HQ_TOKEN_EXPIRES_AT', 'HQ_TOKEN_FILE'],
    // What Kubernetes sets for a service called hq-token.
    ...['HQ_TOKEN_SERVICE_HOST', 'HQ_TOKEN_SERVICE_PORT', 'HQ_TOKEN_SERVICE_PORT_HTTPS', 'HQ_TOKEN_PORT'],
    ...['HQ_TOKEN_PORT_443_TCP', 'HQ_TOKEN_PORT_443_TCP_PROTO', 'HQ_TOKEN_PORT_443_TCP_ADDR'],
    // And for one called hq-token-sandbox.
    ...['HQ_TOKEN_SANDBOX_SERVICE_HOST', 'HQ_TOKEN_SANDBOX_PORT', 'HQ_TOKEN_SANDBOX_PORT_80_TCP_PORT'],
    ...['HQ_TOKEN_EVENT', 'HQ_TOKEN_EVENT_SUBJECT', 'HQ_TOKEN_EVENT_HOST'],
    // Others' variables.
    ...['HQ_TOKENS_STORE', 'HQ_TOKN_STORE', 'MY_HQ_TOKEN_STORE', 'hq_token_stroe'],
  ])('a variable such as %s is nothing to warn of, whether or not it begins with HQ_TOKEN_', (name) => {
    expect(noticesOf([name])).toEqual([])
  })

  it.each(['', '  '])(
    'a variable that begins with HQ_TOKEN_ counts as unset where it is empty (%j)',
    (text) => {
      expect(environmentNotices({ env: { HQ_TOKEN_STROE: text }, platform: 'linux' }, suggestion)).toEqual([])
    },
  )

  it('a variable that begins with HQ_TOKEN_ has no case on Windows', () => {
    expect(noticesOf(['Hq_Token_Store', 'hq_token_profile', 'PATH'], 'win32')).toEqual([])
    expect(noticesOf(['hq_token_stroe'], 'win32')).toMatchObject([{ hint: 'did you mean HQ_TOKEN_STORE?' }])
  })

  it.each([
    `HQ_TOKEN_${'A'.repeat(33)}`,
    'HQ_TOKEN_\u001b[31m',
    'HQ_TOKEN_',
    'HQ_TOKEN_a b',
    `HQ_TOKEN_-${CANARY}`,
  ])('a variable that begins with HQ_TOKEN_ is not repeated where it is no name: %j', (name) => {
    const [notice] = noticesOf([name])
    expect(notice?.message).toBe('a variable that begins with HQ_TOKEN_ is not known and has no effect')
    expect(JSON.stringify(notice)).not.toContain(CANARY)
  })

  it('a variable that begins with HQ_TOKEN_ is looked for a close name only where it is not known', () => {
    const never = (): never => {
      throw new Error('asked')
    }
    const env = { PATH: '/bin', HQ_TOKEN_STORE: 'x', HQ_TOKEN_PORT: 'x', HQ_TOKEN: 'x' }
    expect(environmentNotices({ env, platform: 'linux' }, never)).toEqual([])
  })
})
