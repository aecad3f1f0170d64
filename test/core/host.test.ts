import { describe, expect, it } from 'vitest'
import { LoginRequired } from '../../src/core/errors.js'
import { isSameHost, type Host } from '../../src/core/host.js'
import { intended } from '../../src/core/transitions.js'
import { invalidGrant, granted } from '../support/fake-server.js'
import { HOST, moment, tokenSet } from '../support/token-sets.js'
import { EXPIRED, Stage } from './stage.js'

const host = (changes: Partial<Host> = {}): Host => ({ ...HOST, ...changes })

describe('two hosts are one', () => {
  it.each([
    ['in all', host(), true],
    ['after a restart', host({ boot: 'boot-2' }), true],
    ['after a restart that tells no id', host({ boot: 'boot-2', id: null }), true],
    ['by their boot, as containers are', host({ name: '3f2a', id: null }), true],
    ['not by the name alone', host({ boot: 'boot-2', id: 'id-2' }), false],
    ['not by the id alone: a cloned disk has it too', host({ boot: 'boot-2', name: 'acme-2' }), false],
    ['not where no boot is known', host({ boot: null, name: 'acme-2' }), false],
  ])('two hosts are one: %s', (_situation, other, expected) => {
    expect(isSameHost(HOST, other)).toBe(expected)
    expect(isSameHost(other, HOST)).toBe(expected)
  })
})

describe('a Mac, which tells the id of its hardware,', () => {
  const mac = host({ id: 'hw-1' })

  it.each([
    [
      'is the same after a restart with a new name',
      host({ name: 'mac.lan', id: 'hw-1', boot: 'boot-2' }),
      true,
    ],
    ['is another where the hardware is, whatever the name', host({ id: 'hw-2', boot: 'boot-2' }), false],
    ['is known by its name where the id was not told', host({ id: null, boot: 'boot-2' }), true],
    ['is no machine of another name without an id', host({ name: 'b', id: null, boot: 'boot-2' }), false],
  ])('a Mac, which tells the id of its hardware, %s', (_situation, other, expected) => {
    expect(isSameHost(mac, other)).toBe(expected)
    expect(isSameHost(other, mac)).toBe(expected)
  })
})

describe('a set that another machine takes up', () => {
  const elsewhere = host({ name: 'acme-2', id: 'id-2', boot: 'boot-2' })

  it('a set that another machine takes up remembers where it was, and since when it is here', () => {
    const { host: here, cameFrom } = intended(tokenSet(), moment(5), elsewhere)
    expect({ here, cameFrom }).toEqual({ here: elsewhere, cameFrom: { name: 'acme-1', at: 5 } })
  })

  it('a set that another machine takes up goes on knowing that, and nothing is known from a set that says no host', () => {
    const moved = intended(tokenSet(), moment(5), elsewhere)
    expect(intended(moved, moment(6), elsewhere).cameFrom).toEqual({ name: 'acme-1', at: 5 })
    expect(intended(moved, moment(6), null)).toMatchObject({ host: elsewhere, cameFrom: moved.cameFrom })
    expect(intended(tokenSet({ host: null }), moment(5), elsewhere).cameFrom).toBeNull()
  })

  it('a set that another machine takes up names both when the server refuses it', async () => {
    const stage = new Stage().pass(EXPIRED)
    stage.server.answers(granted('access-2', 'refresh-2'), invalidGrant())
    await stage.guard({ host: elsewhere }).token()
    stage.pass(EXPIRED)
    const refused = stage.guard({ host: elsewhere }).token()
    await expect(refused).rejects.toThrow(LoginRequired)
    await expect(refused).rejects.toThrow(/was on acme-1 before 2027-01-15T09:00:00Z and is on acme-2 now/)
  })

  it('a set that another machine takes up says since when a copy must have used it, where the set was always here', async () => {
    const stage = new Stage().pass(EXPIRED)
    stage.server.answers(granted('access-2', 'refresh-2'), invalidGrant())
    await stage.guard({ host: HOST }).token()
    stage.pass(EXPIRED)
    await expect(stage.guard({ host: HOST }).token()).rejects.toThrow(
      /a copy of this store \(this one is on acme-1\), .* has used it since 2027-01-15T09:00:00Z/,
    )
  })
})
