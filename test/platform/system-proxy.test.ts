import { describe, expect, it } from 'vitest'
import { inspectWay } from '../../src/network/inspect.js'
import { systemProxy, type SystemProxy } from '../../src/platform/system-proxy.js'

// The output of `reg query` is the same in every language but for its error. It was not recorded on a real Windows.
const key = (name: string, ...values: readonly string[]): string =>
  `\r\n${name}\r\n${values.map((value) => `    ${value}\r\n`).join('')}\r\n`
const HKCU = 'HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings'
const HKLM =
  'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\Connections'
const ERRORS = [
  'ERROR: The system was unable to find the specified registry key or value.\r\n',
  'FEHLER: Der angegebene Registrierungsschl\x81ssel bzw. Wert wurde nicht gefunden.\r\n',
]
const AGENT = 'User Agent    REG_SZ    Mozilla/4.0 (compatible; MSIE 8.0; Win32)'
const SUBKEYS = `${HKCU}\\ZoneMap\r\n${HKCU}\\Zones\r\n`

function account(...values: readonly string[]): string {
  return key(HKCU, AGENT, ...values) + SUBKEYS
}
function services(proxy: string, flags = 3): string {
  const bytes = Buffer.alloc(16)
  ;[0x18, 0, flags, proxy.length].forEach((word, at) => bytes.writeUInt32LE(word, at * 4))
  const hex = Buffer.concat([bytes, Buffer.from(proxy), Buffer.from('\x07\0\0\0<local>', 'latin1')]).toString(
    'hex',
  )
  return key(HKLM, `WinHttpSettings    REG_BINARY    ${hex.toUpperCase()}`)
}

function found(ofAccount: string, ofServices: string = ERRORS[0] ?? ''): SystemProxy | null {
  return systemProxy({
    platform: 'win32',
    env: { SystemRoot: 'C:\\Windows' },
    run: (program, [, name = '']) => {
      expect(program).toBe('C:\\Windows\\System32\\reg.exe')
      const output = name.startsWith('HKCU') ? ofAccount : ofServices
      return { status: ERRORS.includes(output) ? 1 : 0, output }
    },
  })
}

const ON = 'ProxyEnable    REG_DWORD    0x1'
const OFF = 'ProxyEnable    REG_DWORD    0x0'
const server = (text: string): string => `ProxyServer    REG_SZ    ${text}`

describe('the proxy of Windows', () => {
  it.each([
    ['one for all', [ON, server('proxy.firm:8080')], 'proxy.firm:8080'],
    ['one for https', [ON, server('http=a.firm:80;https=b.firm:3128;ftp=c.firm:21')], 'b.firm:3128'],
    ['one with a scheme', [ON, server('http://proxy.firm:8080')], 'proxy.firm:8080'],
    ['one that itself takes TLS', [ON, server('https://proxy.firm:8443')], 'https://proxy.firm:8443'],
    ['without what is secret', [ON, server('http://user:secret@proxy.firm:8080')], 'proxy.firm:8080'],
    ['a SOCKS proxy, of no use', [ON, server('socks=proxy.firm:1080')], undefined],
    ['one that is switched off', [OFF, server('proxy.firm:8080')], undefined],
    ['none', [OFF], undefined],
    ['nonsense', [ON, server('%%%')], undefined],
  ])('is read from Internet Options: %s', (_, values, expected) => {
    expect(found(account(...values))?.server).toBe(expected)
  })

  it('is a script where one decides, told without its query', () => {
    const script = 'AutoConfigURL    REG_SZ    http://wpad.firm/proxy.pac?key=secret'
    expect(found(account(OFF, script))).toEqual({
      ...{ from: 'Internet Options', server: null },
      script: 'http://wpad.firm/proxy.pac',
    })
  })

  it('is that of services where the account has none, as under Task Scheduler', () => {
    const here = { from: 'WinHTTP', server: 'proxy.firm:8080', script: null }
    for (const none of [account(OFF), ...ERRORS])
      expect(found(none, services('proxy.firm:8080'))).toEqual(here)
    expect(found(account(), services('http=a.firm:80;https=b.firm:81'))?.server).toBe('b.firm:81')
    for (const none of [
      services('', 1),
      services(''),
      key(HKLM, 'WinHttpSettings    REG_BINARY    18'),
      ...ERRORS,
    ])
      expect(found(account(), none)).toBeNull()
  })

  it('is asked for nowhere else', () => {
    const run = (): never => {
      throw new Error('a program was started')
    }
    expect(systemProxy({ platform: 'linux', env: {}, run })).toBeNull()
    expect(systemProxy({ platform: 'darwin', env: {}, run })).toBeNull()
  })
})

describe('doctor names the proxy of Windows', () => {
  const url = new URL('https://acme.highq.com/')
  const probe = { url, answer: null, certificate: null, addresses: ['192.0.2.1'], proxy: 'unused' } as const
  const first = (isConnected: boolean, system: SystemProxy | null) =>
    inspectWay({ ...probe, isConnected, failure: 'ETIMEDOUT' }, null, 0, system).checks[0]
  const fixed = { from: 'WinHTTP', server: 'proxy.firm:8080', script: null }

  it('with the line for the config where the server is not reached', () => {
    expect(first(false, fixed)).toMatchObject({
      ...{ name: 'proxy', status: 'warn' },
      message: 'none; Windows has proxy.firm:8080 (WinHTTP), which is not used by itself',
      hint: 'in the config: [network] proxy = http://proxy.firm:8080',
    })
    expect(first(false, { ...fixed, server: 'https://proxy.firm:8443' })).toMatchObject({
      hint: 'in the config: [network] proxy = https://proxy.firm:8443',
    })
    expect(first(false, { ...fixed, server: null, script: 'http://wpad.firm/proxy.pac' })).toMatchObject({
      message:
        'none; Windows has the script http://wpad.firm/proxy.pac (WinHTTP), which is not used by itself',
      hint: expect.stringMatching(/look up HOST:PORT in the script, .*proxy = http:\/\/HOST:PORT/) as string,
    })
  })

  it('and is content where the server is reached without it, or there is none', () => {
    expect(first(true, fixed)).toMatchObject({ status: 'ok' })
    expect(first(false, null)).toMatchObject({ status: 'ok', message: 'none' })
  })
})
