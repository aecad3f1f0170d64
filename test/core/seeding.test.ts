import { beforeEach, describe, expect, it } from 'vitest'
import { LoginRequired } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import type { Seed, TokenSet } from '../../src/core/token-set.js'
import { FakeMarks } from '../support/fake-marks.js'
import { granted, invalidGrant, notSent, raw } from '../support/fake-server.js'
import { HOST, ISSUED, pair, seed, tokenSet } from '../support/token-sets.js'
import { EXPIRED, Stage } from './stage.js'

const FILE = '/etc/hq-token/token.ini'
const SPENT = ISSUED + EXPIRED
const ours = seed().pair.refreshToken.fingerprint
const rotated = granted('access-2', 'refresh-2')

let stage: Stage
let marks: FakeMarks

/** A seed from a file, with what the mark beside it says. */
const fromFile = async (changes: Partial<Seed> = {}): Promise<Seed> => ({
  ...{ ...seed(), source: FILE, file: FILE },
  spentAt: await marks.spentAt(FILE, ours),
  ...changes,
})
const guard = () => stage.guard({ seed: () => fromFile(), seedMarks: marks })
const put = (changes: Partial<TokenSet>): void => {
  stage.store.put(tokenSet({ seedFile: { path: FILE, spentAt: null, isMarked: false }, ...changes }))
}

beforeEach(() => {
  stage = new Stage(null).pass(EXPIRED)
  stage.server.answers(rotated)
  marks = new FakeMarks(FILE, ours)
})

/** A call that refreshes, to the end of all that follows from it. */
async function renewed(): Promise<void> {
  const one = guard()
  await one.token()
  await one.settled()
}

async function refusal(call: Promise<unknown>): Promise<LoginRequired> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof LoginRequired)) throw new Error('it was not refused', { cause: error })
  return error
}

describe('the first refresh that replaces the seed’s refresh token', () => {
  it('the first refresh that replaces the seed’s refresh token marks the file, remembers that, and says once that the file can be removed', async () => {
    await renewed()
    expect(marks.marks.get(FILE)).toEqual({ fingerprint: ours, spentAt: SPENT })
    expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: SPENT, isMarked: true })
    expect(stage.notices).toEqual([
      {
        ...{ level: 'info', isNews: true },
        message: `the seed file ${FILE} can be removed now: its refresh token is spent, and memory holds the newer one`,
      },
    ])
    stage.server.answers(granted('access-3', 'refresh-3'))
    stage.pass(EXPIRED)
    await renewed()
    expect([marks.puts, stage.notices.length]).toEqual([1, 1])
  })

  it('the first refresh that replaces the seed’s refresh token hands the token out first, and lets go of the lock before', async () => {
    const order: string[] = []
    marks.beforePut = () => {
      order.push('mark')
    }
    const one = guard()
    await one.token().then(async () => {
      await stage.store.exclusive(() => Promise.resolve(order.push('lock')), { waitMs: 0 })
    })
    await one.settled()
    expect(order).toEqual(['lock', 'mark'])
  })

  it('the first refresh that replaces the seed’s refresh token marks nothing while the new pair is not saved', async () => {
    stage.server.answers(notSent('ECONNREFUSED'))
    const one = guard()
    await expect(one.token()).rejects.toThrow('ECONNREFUSED')
    await one.settled()
    expect(marks.puts).toBe(0)
    // The seed, the intent: the save of the new pair is the third.
    stage.store.savesFail = (nth) => nth > 2
    stage.server.answers(rotated)
    const two = guard()
    await two.token().catch(() => undefined)
    await two.settled()
    expect(marks.puts).toBe(0)
  })

  it('is not called removable while the new pair is in the rescue file only; the next call saves it, and says so', async () => {
    stage.store.savesFail = (nth) => nth > 2
    stage.server.answers(rotated)
    const one = guard()
    expect((await one.token()).secret.reveal()).toBe('access-2')
    await one.settled()
    expect([marks.puts, stage.notices.filter(({ message }) => message.includes('can be removed'))]).toEqual([
      0,
      [],
    ])
    stage.store.savesFail = () => false
    const two = guard()
    await two.token()
    await two.refresh({ ifOlder: 1 })
    await two.settled()
    expect(marks.puts).toBe(1)
  })

  it.each([
    ['sends the old refresh token again', granted('access-2', 'refresh-1')],
    ['sends none', granted('access-2', null)],
  ])(
    'the first refresh that replaces the seed’s refresh token is another one where the server %s: the seed is alive until then',
    async (_what, answer) => {
      stage.server.answers(answer)
      await renewed()
      expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: null, isMarked: false })
      expect([marks.puts, stage.notices]).toEqual([0, []])
      stage.server.answers(granted('access-3', 'refresh-3'))
      stage.pass(EXPIRED)
      await renewed()
      expect(marks.marks.get(FILE)?.spentAt).toBe(SPENT + EXPIRED)
    },
  )

  it('the first refresh that replaces the seed’s refresh token counts also where a process that died had received it', async () => {
    const at = { attempt: 2, at: ISSUED, boot: null, salvaged: null, client: null }
    put({ sequence: 2, intent: at })
    stage.store.leave({ generation: 1, attempt: 2, spent: ours, answer: raw(rotated) })
    await renewed()
    expect(marks.marks.get(FILE)?.fingerprint).toBe(ours)
  })

  it('a seed that the first refresh could not mark is marked by the next one', async () => {
    put({
      seedFile: { path: FILE, spentAt: ISSUED, isMarked: false },
      pair: pair({ refreshToken: new Secret('r') }),
    })
    await renewed()
    expect(marks.marks.get(FILE)).toEqual({ fingerprint: ours, spentAt: ISSUED })
    expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: ISSUED, isMarked: true })
  })

  it('a seed in a folder that cannot be written is reported once, and marking it is tried again with each refresh', async () => {
    marks.failure = 'the file system is read-only'
    await renewed()
    expect(stage.notices).toEqual([
      {
        level: 'warning',
        message: `the seed file ${FILE} can be removed now: its refresh token is spent. It could not be marked as spent (the file system is read-only): with an empty store it would be imported again, and the server may end the grant`,
        hint: 'remove the file, or take [seed] file out of the configuration',
      },
    ])
    for (const next of ['3', '4']) {
      stage.server.answers(granted(`access-${next}`, `refresh-${next}`))
      stage.pass(EXPIRED)
      await renewed()
    }
    expect([marks.puts, stage.notices.length]).toEqual([3, 1])
    expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: SPENT, isMarked: false })
  })

  it('the first refresh that replaces the seed’s refresh token costs nobody a token where marking fails in a way that nobody foresaw', async () => {
    marks.beforePut = () => {
      throw new Error('bug')
    }
    const one = guard()
    expect((await one.token()).secret.reveal()).toBe('access-2')
    await one.settled()
  })

  it('the first refresh that replaces the seed’s refresh token waits for nobody who has taken the lock meanwhile: the next refresh remembers', async () => {
    const one = guard()
    marks.beforePut = () => {
      void stage.store.exclusive(() => new Promise((resolve) => setTimeout(resolve, 20)), { waitMs: 0 })
    }
    await one.token()
    await one.settled()
    expect(marks.marks.size).toBe(1)
    expect((await stage.stored()).seedFile?.isMarked).toBe(false)
    marks.beforePut = () => undefined
    await new Promise((resolve) => setTimeout(resolve, 30))
    stage.server.answers(granted('access-3', 'refresh-3'))
    stage.pass(EXPIRED)
    await renewed()
    expect((await stage.stored()).seedFile?.isMarked).toBe(true)
    expect(stage.notices).toHaveLength(1)
  })

  it('the first refresh that replaces the seed’s refresh token leaves a file alone that holds another token by now, or is gone', async () => {
    await guard().adopt(await fromFile())
    marks.files.set(FILE, 'another')
    await renewed()
    expect([marks.marks.size, stage.notices]).toEqual([0, []])
  })

  it('the first refresh of a seed from standard input, or by an older version, marks the configured file of the same token', async () => {
    put({ seedFile: null })
    await renewed()
    expect(marks.marks.get(FILE)?.fingerprint).toBe(ours)
    expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: SPENT, isMarked: true })
  })

  it('the first refresh that replaces the seed’s refresh token marks the configured copy too, where another file was seeded by hand', async () => {
    marks.files.set('/root/token.ini', ours)
    put({ seedFile: { path: '/root/token.ini', spentAt: null, isMarked: false } })
    await renewed()
    expect([...marks.marks.keys()]).toEqual(['/root/token.ini', FILE])
  })

  it('the first refresh of 60 processes at once marks the seed once, and says so once', async () => {
    await guard().adopt(await fromFile())
    const all = Array.from({ length: 60 }, guard)
    await Promise.all(all.map((one) => one.token()))
    await Promise.all(all.map((one) => one.settled()))
    expect([stage.server.requests, marks.puts, stage.notices.length]).toEqual([1, 1, 1])
  })
})

describe('a login', () => {
  it('a login over a seed that was never spent marks nothing: that grant is another', async () => {
    put({ pair: pair({ refreshToken: new Secret('of the login') }), lastRefreshAt: null })
    await renewed()
    expect(marks.puts).toBe(0)
  })

  it('a login keeps in mind a spent seed that could not be marked', async () => {
    put({
      ...{ seedFile: { path: FILE, spentAt: ISSUED, isMarked: false } },
      pair: pair({ refreshToken: new Secret('of the login') }),
    })
    await renewed()
    expect(marks.marks.get(FILE)?.spentAt).toBe(ISSUED)
  })
})

describe('a logout', () => {
  const revoke = () => Promise.resolve()
  const logout = (end: typeof revoke | null) => stage.logins({ seedMarks: marks }).logout(end)

  it.each([
    ['that has revoked the seed’s own refresh token marks it', revoke, {}, 1],
    ['that has not told the server leaves it alive', null, {}, 0],
    [
      'of another grant than the seed’s leaves it alive',
      revoke,
      { pair: pair({ refreshToken: new Secret('r') }) },
      0,
    ],
    [
      'marks a spent one in any case',
      null,
      {
        seedFile: { path: FILE, spentAt: ISSUED, isMarked: false },
        pair: pair({ refreshToken: new Secret('r') }),
      },
      1,
    ],
  ] as const)('a logout: %s', async (_what, end, changes, marked) => {
    put(changes)
    expect(await logout(end)).toBe(true)
    expect(marks.marks.size).toBe(marked)
  })

  it('a logout that fails marks nothing', async () => {
    put({})
    await expect(logout(() => Promise.reject(new Error('down')))).rejects.toThrow('down')
    expect(marks.marks.size).toBe(0)
  })

  it('a logout is what the seed’s next import is told of in the same store', async () => {
    put({})
    await logout(revoke)
    const { message } = await refusal(guard().token())
    expect(message).toContain('holds the grant that a logout ended at')
  })
})

describe('a seed that is marked as spent', () => {
  beforeEach(() => {
    marks.marks.set(FILE, { fingerprint: ours, spentAt: ISSUED })
  })

  const words = {
    message: `${FILE} was spent on 2027-01-15T08:00:00Z, and there is no token set in memory: is the store’s volume mounted?`,
    hint: expect.stringMatching(
      /^mount it, .* hq-token seed --force \/etc\/hq-token\/token\.ini\)$/,
    ) as string,
  }

  it('a seed that is marked as spent is not imported into an empty store: nothing is made there, nothing is sent', async () => {
    expect(await refusal(guard().token())).toMatchObject(words)
    expect(await refusal(guard().refresh())).toMatchObject(words)
    expect(await refusal(guard().adopt(await fromFile()))).toMatchObject(words)
    expect([stage.store.locks, stage.server.requests]).toEqual([0, 0])
    expect(await stage.store.isUntouched()).toBe(true)
  })

  it('a seed that is marked as spent is not imported into a store that has known another grant', async () => {
    put({ seed: 'another', pair: pair({ refreshToken: new Secret('r') }), seedFile: null })
    await stage.logins().logout(null)
    expect(await refusal(guard().token())).toMatchObject(words)
    expect(stage.server.requests).toBe(0)
  })

  it('a seed that is marked as spent is imported by force, once', async () => {
    const { imported, set } = await guard().adopt(await fromFile(), { force: true })
    expect([imported, set.generation]).toEqual([true, 1])
    await renewed()
    expect((await stage.stored()).seedFile).toEqual({ path: FILE, spentAt: SPENT, isMarked: true })
    expect(marks.marks.get(FILE)?.spentAt).toBe(ISSUED)
  })

  it('a seed that is marked as spent is disregarded while the store holds a set', async () => {
    put({ seed: 'another', pair: pair({ refreshToken: new Secret('r') }) })
    expect((await guard().adopt(await fromFile())).imported).toBe(false)
    expect((await guard().token()).secret.reveal()).toBe('access-2')
  })

  it.each([
    ['its own', ours],
    ['another', 'another'],
  ])('a seed that is marked as spent does not heal a refused set: %s', async (_what, known) => {
    put({ seed: known, refusedAt: SPENT, pair: pair({ refreshToken: new Secret('r') }) })
    expect((await refusal(guard().token())).message).toContain('has refused the refresh token')
    expect((await guard().adopt(await fromFile())).imported).toBe(false)
    expect(stage.server.requests).toBe(0)
  })

  it('a seed that is marked as spent is imported where the mark names another token', async () => {
    marks.marks.set(FILE, { fingerprint: 'another', spentAt: ISSUED })
    await renewed()
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect(marks.marks.get(FILE)).toEqual({ fingerprint: ours, spentAt: SPENT })
  })

  it('a seed that is marked as spent is known also from standard input, and as a copy, by the configured file', async () => {
    const piped = await fromFile({ source: 'standard input', file: null, spentAt: null })
    const { hint } = await refusal(guard().adopt(piped))
    expect(hint).toContain('hq-token seed --force -)')
    const copy = await fromFile({ source: 'copy.ini', file: '/root/copy.ini', spentAt: null })
    await refusal(guard().adopt(copy))
    expect(await stage.store.read()).toBeUndefined()
  })

  it('a seed that is marked as spent does not take up an answer that waits beside an empty store: it may be as old', async () => {
    stage.store.leave({ generation: 1, attempt: 2, spent: ours, answer: raw(rotated) })
    await refusal(guard().token())
    expect(await stage.store.read()).toBeUndefined()
    expect(stage.store.rescued).toHaveLength(1)
  })
})

describe('two stores that were seeded from one file', () => {
  it('the second, which has imported it before: the server refuses, and the message names the cause', async () => {
    const second = new Stage(null).pass(EXPIRED)
    const other = (): ReturnType<Stage['guard']> => second.guard({ seedMarks: marks, host: HOST })
    await other().adopt(await fromFile())
    await renewed()
    second.server.answers(invalidGrant())
    const { message } = await refusal(other().token())
    expect(message).toMatch(
      `${FILE} was spent on 2027-01-15T09:00:00Z by another store, which holds this grant now: each store needs a grant of its own`,
    )
    expect((await second.stored()).lastFailure?.message).toBe(message)
  })

  it('two stores that were seeded from one file is not blamed where this store has refreshed since', async () => {
    await renewed()
    stage.server.answers(invalidGrant())
    stage.pass(EXPIRED)
    expect((await refusal(guard().token())).message).not.toContain('by another store')
  })
})
