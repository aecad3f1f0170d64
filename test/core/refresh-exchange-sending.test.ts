import { describe, expect, it } from 'vitest'
import { ConfigInvalid, Overtaken, ServerUnavailable, StoreUnusable } from '../../src/core/errors.js'
import { type ExchangeParts } from '../../src/core/refresh-exchange.js'
import { cutOff, granted, silence } from '../support/fake-server.js'
import { at, from } from '../support/memory-store.js'
import { tokenSet } from '../support/token-sets.js'
import { failure, intent, refreshTokens, stage, TIMEOUT } from './exchange-stage.js'

describe('the last look, when the connection stands', () => {
  /** As the program's own: a signal aborts `stop`. */
  function signalled(signal: string, nth = 1): Partial<ExchangeParts> {
    const stop = new AbortController()
    let connections = 0
    stage.server.connecting = () => {
      connections += 1
      if (connections === nth) stop.abort(signal)
    }
    return { uninterrupted: (section) => section(stop.signal) }
  }

  it('the last look, when the connection stands sees a signal: nothing is spent, the store is as it was, and nobody has failed', async () => {
    const before = await stage.stored()
    const error = await failure(stage.run(signalled('SIGTERM')))
    expect(error).toBeInstanceOf(ServerUnavailable)
    expect((error as Error).message).toBe('SIGTERM ended the refresh before it was sent')
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toEqual({ ...before, sequence: before.sequence + 1 })
    expect(await stage.store.history()).toMatchObject([
      { sequence: 2, outcome: 'HQ_SERVER_UNAVAILABLE', note: 'SIGTERM' },
    ])
  })

  it('the last look, when the connection stands leaves the doubt of an earlier process where it stood', async () => {
    stage.store.put(tokenSet({ sequence: 2, intent: intent('refresh-9') }))
    await failure(stage.run(signalled('SIGTERM')))
    expect(await stage.stored()).toMatchObject({ sequence: 3, intent: intent('refresh-9') })
    expect(stage.server.sent).toEqual([])
  })

  it('the last look, when the connection stands lets a repetition leave, whatever signal has come: it may be what saves the grant', async () => {
    stage.server.answers(silence(), granted('access-2', 'refresh-2'))
    const set = await stage.run(signalled('SIGTERM', 2))
    expect(set.generation).toBe(2)
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-1'])
  })

  it('the last look, when the connection stands sees that no time is left to hear an answer', async () => {
    stage.server.connecting = () => {
      stage.elapse(TIMEOUT - 500)
    }
    const error = await failure(stage.run())
    expect(error).toBeInstanceOf(ServerUnavailable)
    expect((error as Error).message).toContain('could not be reached (TIMEOUT)')
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toMatchObject({ intent: null, failures: 1 })
  })
})

describe('before anything is sent', () => {
  it('a refresh sends nothing when the intent cannot be saved', async () => {
    stage.store.savesFail = at(1)
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.server.sent).toEqual([])
    expect((await stage.stored()).intent).toBeNull()
  })

  it('a refresh sends nothing more when a later intent cannot be saved, and the first one stands', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(cutOff('salvaged'))
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect((await stage.stored()).intent).not.toBeNull()
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('a refresh leaves nothing behind when the configuration is wrong', async () => {
    const before = await stage.stored()
    stage.server.preparation = () => Promise.reject(new ConfigInvalid('client_secret_command failed'))
    await expect(stage.run()).rejects.toThrow(ConfigInvalid)
    expect(stage.log).toEqual(['prepare'])
    expect(await stage.stored()).toBe(before)
    expect(await stage.store.history()).toEqual([])
  })

  it('notes that an issuer could not be asked for its endpoints: nothing is in doubt for it', async () => {
    const before = await stage.stored()
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
    expect(stage.server.sent).toEqual([])
    const after = await stage.stored()
    expect(after).toMatchObject({
      ...{ generation: before.generation, intent: null, failures: 1, refusedAt: null },
      lastFailure: { code: 'HQ_SERVER_UNAVAILABLE', message: 'no metadata' },
    })
    expect(after.pair).toEqual(before.pair)
    // A line of its own: the one of the event before stays.
    expect(await stage.store.history()).toMatchObject([
      { sequence: before.sequence + 1, event: 'refresh', outcome: 'HQ_SERVER_UNAVAILABLE' },
    ])
  })

  it('a refresh keeps what is in doubt where an issuer could not be asked', async () => {
    stage.server.answers(...Array.from({ length: 4 }, () => cutOff('salvaged')))
    await expect(stage.run()).rejects.toThrow()
    const { intent } = await stage.stored()
    expect(intent).not.toBeNull()
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
    expect((await stage.stored()).intent).toEqual(intent)
    stage.server.preparation = () => Promise.resolve()
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('fails as the issuer did where that cannot be noted', async () => {
    stage.store.savesFail = at(1)
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
  })
})

describe('when the last look finds that the store is another process’s', () => {
  it('nothing is sent, and the store is as it was', async () => {
    stage.store.stillOurs = () => false
    expect(await failure(stage.run())).toBeInstanceOf(Overtaken)
    expect(stage.server.requests).toBe(0)
    expect(await stage.stored()).toMatchObject({ generation: 1, sequence: 2, intent: null, failures: 0 })
    stage.store.stillOurs = () => true
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(refreshTokens(await stage.run())).toEqual(['refresh-2', 'refresh-1'])
  })

  it('it is asked for the very attempt, right before the request and after all else', async () => {
    stage.store.stillOurs = (what) => {
      stage.log.push(`last look at ${what}`)
      return true
    }
    stage.server.answers(silence(), granted('access-2', 'refresh-2'))
    await stage.run()
    const looks = stage.log.flatMap((name, index) => (name.startsWith('last look') ? [index] : []))
    expect(looks.map((index) => stage.log.slice(index - 1, index + 2))).toEqual([
      ['save unfinished', 'last look at 2', 'request with refresh-1'],
      ['save unfinished', 'last look at 3', 'request with refresh-1'],
    ])
  })

  it('an earlier request’s doubt stays', async () => {
    stage.server.answers(silence())
    stage.store.stillOurs = (what) => what === 2
    expect(await failure(stage.run())).toBeInstanceOf(Overtaken)
    expect(stage.server.requests).toBe(1)
    expect((await stage.stored()).intent).toMatchObject({ attempt: 2 })
  })

  it('a store that cannot be read is told, and nothing is sent', async () => {
    stage.store.stillOurs = () => {
      throw new StoreUnusable('the disk is gone')
    }
    expect(await failure(stage.run())).toMatchObject({ message: 'the disk is gone', exit: 74 })
    expect(stage.server.requests).toBe(0)
    expect((await stage.stored()).intent).toBeNull()
  })
})
