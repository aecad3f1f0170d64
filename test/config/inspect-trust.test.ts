import { expect, it } from 'vitest'
import { inspectTrust } from '../../src/config/inspect.js'
import type { Config } from '../../src/config/load.js'
import type { TrustRuntime } from '../../src/platform/authorities.js'

const config = { network: { credentials: () => ({ ca: 'PEM', client: null }) } } as unknown as Config
const given = { getCACertificates: () => [] }
const old = { getCACertificates: undefined }

it.each([
  ['linux', {}, given, 'the authorities of Node and of ca_file'],
  ['win32', {}, given, 'the authorities of Node and of Windows’ certificate store and of ca_file'],
  ['darwin', {}, given, 'the authorities of Node and of the keychain and of ca_file'],
  [
    'win32',
    {},
    old,
    'the authorities of Node and none of Windows’ certificate store (Node v22.1.0 cannot read it) and of ca_file',
  ],
  [
    'darwin',
    { NODE_USE_SYSTEM_CA: '0' },
    given,
    'the authorities of Node and none of the keychain (NODE_USE_SYSTEM_CA=0) and of ca_file',
  ],
] as const)('doctor names whom the program trusts on %s, with %j', (platform, env, features, message) => {
  const runtime: TrustRuntime = { platform, env, version: 'v22.1.0', ...features }
  expect(inspectTrust(config, {}, 0, runtime)).toMatchObject({ status: 'ok', name: 'trust', message })
})
