import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { isSameHost } from '../../src/core/host.js'
import { hostAsking, machineHost } from '../../src/platform/host.js'
import { machineIds } from '../../src/platform/machine-ids.js'

// `reg query` as Wine prints it, which is as Microsoft documents it; ioreg and sysctl as Apple's manual pages show them.
const REG =
  '\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\r\n    MachineGuid    REG_SZ    ba7578fb-3448-439a-bb64-fc6d22381b2f\r\n\r\n'
const IOREG = `+-o J314sAP  <class IOPlatformExpertDevice, id 0x100000227, registered, matched, active, busy 0>
    {
      "IOPlatformSerialNumber" = "C02XXXXXXXXX"
      "IOPlatformUUID" = "8A1F3C5E-0B2D-4F6A-9C8E-7D6B5A4F3E2D"
      "model" = <"MacBookPro18,3">
    }
`
const SYSCTL = 'F0E1D2C3-B4A5-4968-8776-655443322110\n'

const ENV = { SystemRoot: 'D:\\Windows' }

function answering(answers: Readonly<Record<string, string | null>>) {
  const asked: string[] = []
  return {
    asked,
    run: (program: string, args: readonly string[]) => {
      asked.push([program, ...args].join(' '))
      return answers[program] ?? null
    },
  }
}

describe('the ids of a machine', () => {
  it('are asked for without secrets', () => {
    const given: unknown[] = []
    machineIds('win32', { ...ENV, HQ_TOKEN_CLIENT_SECRET: 'x7' }, (_, __, env) => {
      given.push(env)
      return null
    })
    expect(given).toEqual([ENV])
  })

  it('are the registry’s on Windows, which names no boot', () => {
    const { asked, run } = answering({ 'D:\\Windows\\System32\\reg.exe': REG })
    expect(machineIds('win32', ENV, run)).toEqual({ id: 'ba7578fb-3448-439a-bb64-fc6d22381b2f', boot: null })
    expect(asked).toEqual([
      'D:\\Windows\\System32\\reg.exe query HKLM\\SOFTWARE\\Microsoft\\Cryptography /v MachineGuid /reg:64',
    ])
  })

  it('are the hardware’s and the boot’s on macOS', () => {
    const { asked, run } = answering({ '/usr/sbin/ioreg': IOREG, '/usr/sbin/sysctl': SYSCTL })
    expect(machineIds('darwin', {}, run)).toEqual({
      id: '8a1f3c5e-0b2d-4f6a-9c8e-7d6b5a4f3e2d',
      boot: 'f0e1d2c3-b4a5-4968-8776-655443322110',
    })
    expect(asked).toEqual([
      '/usr/sbin/ioreg -rd1 -c IOPlatformExpertDevice',
      '/usr/sbin/sysctl -n kern.bootsessionuuid',
    ])
  })

  it.each([null, '', 'reg: Unable to find the specified registry key\r\n', REG.replace(/[0-9a-f]/g, '0')])(
    'are none where a program fails or says something else: %j',
    (output) => {
      const answers = ['D:\\Windows\\System32\\reg.exe', '/usr/sbin/ioreg', '/usr/sbin/sysctl']
      const { run } = answering(Object.fromEntries(answers.map((program) => [program, output])))
      for (const platform of ['win32', 'darwin'] as const)
        expect(machineIds(platform, ENV, run)).toEqual({ id: null, boot: null })
    },
  )

  it('are the files’ on Linux, which starts no program', () => {
    const { asked, run } = answering({})
    expect(machineIds('linux', {}, run)).toEqual({ id: null, boot: null })
    expect(asked).toEqual([])
    expect(machineHost().boot).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('are none where no program can be started', () => {
    expect(machineIds('win32', { SystemRoot: '/nonexistent' })).toEqual({ id: null, boot: null })
  })

  it('are asked for once in a process, and shown by a hash', () => {
    let times = 0
    const ids = () => ({ id: `secret-${++times}`, boot: 'boot-1' })
    const host = hostAsking(
      ids,
      () => null,
      () => null,
    )
    const [first, second] = [host(), host()]
    expect([times, second]).toEqual([1, first])
    expect(first).toEqual({
      name: hostname(),
      id: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      boot: 'boot-1',
    })
  })

  it('say of a Mac that they are the hardware’s', () => {
    const of = (platform: NodeJS.Platform): string | null =>
      hostAsking(
        () => ({ id: 'secret', boot: null }),
        () => null,
        () => null,
        platform,
      )().id
    expect(of('darwin')).toBe(`hw-${of('win32')}`)
  })

  it('make no other machine of one whose store has none yet', () => {
    const now = { name: 'acme-1', id: 'id-1', boot: 'boot-1' }
    expect(isSameHost({ name: 'acme-1', id: null, boot: null }, now)).toBe(true)
    // A Mac's name changes with its network.
    expect(isSameHost({ ...now, name: 'acme-1.local' }, now)).toBe(true)
  })
})
