import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { systemStore, trusted, trustHint, type TrustRuntime } from '../../src/platform/authorities.js'

const NODE = ['node-1', 'node-2']

function runtime(
  platform: NodeJS.Platform,
  { system = ['firm', 'node-2'], ...more }: Partial<TrustRuntime> & { system?: readonly string[] } = {},
): TrustRuntime & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    ...{ platform, env: {}, version: 'v22.15.0', asked },
    getCACertificates: (type = 'default') => {
      asked.push(type)
      return type === 'system' ? system : NODE
    },
    ...more,
  }
}

const OLD = { version: 'v20.20.2', getCACertificates: undefined }

describe('the system’s certificate store', () => {
  it.each(['win32', 'darwin'] as const)(
    'on %s is trusted beside Node’s authorities and ca_file',
    (platform) => {
      const here = runtime(platform)
      expect(trusted(null, here)).toEqual(['node-1', 'node-2', 'firm'])
      expect(trusted('own', here)).toEqual(['node-1', 'node-2', 'firm', 'own'])
    },
  )

  it.each(['linux', 'freebsd'] as const)('on %s is not asked, and Node’s default stays', (platform) => {
    const here = runtime(platform)
    expect(trusted(null, here)).toBeUndefined()
    expect(trusted('own', here)).toEqual(['node-1', 'node-2', 'own'])
    expect(here.asked).not.toContain('system')
  })

  it('is read once for each process', () => {
    const here = runtime('win32')
    trusted(null, here)
    trusted('own', here)
    expect(here.asked.filter((type) => type === 'system')).toHaveLength(1)
  })

  it('is gone without where Node cannot give it, where it is empty, and where NODE_USE_SYSTEM_CA=0', () => {
    const fails = (): never => {
      throw new Error('ERR_CRYPTO_OPERATION_FAILED')
    }
    for (const more of [
      OLD,
      { system: [] },
      { env: { NODE_USE_SYSTEM_CA: '0' } },
      { getCACertificates: fails },
    ])
      expect(trusted(null, runtime('win32', more))).toBeUndefined()
    expect(trusted('own', runtime('win32', OLD))).toEqual([...rootCertificates, 'own'])
  })

  it.each([
    [
      'win32',
      {},
      'used',
      /ca_file = FILE.*NODE_EXTRA_CA_CERTS=FILE; .*Windows’ certificate store, which is read/,
    ],
    ['darwin', {}, 'used', /ca_file = FILE.*NODE_EXTRA_CA_CERTS=FILE; .*the keychain, which is read/],
    ['win32', OLD, 'out of reach', /^Windows’ .* 22\.15 or newer, and this is v20\.20\.2: .*ca_file = FILE/],
    ['darwin', { env: { NODE_USE_SYSTEM_CA: '0' } }, 'off', /unset NODE_USE_SYSTEM_CA/],
    ['linux', OLD, 'foreign', /NODE_EXTRA_CA_CERTS=FILE$/],
    ['linux', {}, 'foreign', /NODE_EXTRA_CA_CERTS=FILE$/],
    ['linux', { version: 'v23.11.0' }, 'foreign', /NODE_EXTRA_CA_CERTS=FILE$/],
    ['linux', { version: 'v22.19.0' }, 'foreign', /NODE_USE_SYSTEM_CA=1, for those of this system$/],
    ['linux', { version: 'v24.6.0' }, 'foreign', /NODE_USE_SYSTEM_CA=1, for those of this system$/],
    ['linux', { version: 'v26.0.0' }, 'foreign', /NODE_USE_SYSTEM_CA=1, for those of this system$/],
  ] as const)('is spoken of as this Node can use it: %s, %j', (platform, more, store, hint) => {
    const here = runtime(platform, more)
    expect(systemStore(here)).toBe(store)
    expect(trustHint(here)).toMatch(hint)
    expect(here.asked).toEqual([])
  })
})
