import { describe, expect, it } from 'vitest'
import { HeldOpen } from '../../src/core/errors.js'
import { heldOpen, HELD_MS, whileHeld } from '../../src/platform/held-files.js'

function refusal(code: string, syscall: string): Error {
  return Object.assign(new Error(code), { code, syscall })
}

/** Fails so often, then succeeds; and how long it was waited. */
function failing(
  times: number,
  error: Error,
): { work: () => string; pause: (ms: number) => void; waited: () => number } {
  let [left, waited] = [times, 0]
  return {
    work: () => {
      if (left-- > 0) throw error
      return 'done'
    },
    pause: (ms) => (waited += ms),
    waited: () => waited,
  }
}

describe('a file that another program holds', () => {
  it.each([
    ['EBUSY', 'open'],
    ['EBUSY', 'rename'],
    ['EPERM', 'rename'],
    ['EACCES', 'rename'],
    ['EPERM', 'unlink'],
    ['EACCES', 'link'],
  ])('%s of %s is tried again on Windows, for 1.5 s', (code, syscall) => {
    const { work, pause, waited } = failing(29, refusal(code, syscall))
    expect(whileHeld(work, { platform: 'win32', pause })).toBe('done')
    expect(waited()).toBe(1450)

    const stays = failing(1000, refusal(code, syscall))
    expect(() => whileHeld(stays.work, { platform: 'win32', pause: stays.pause })).toThrow(code)
    expect(stays.waited()).toBe(HELD_MS)
  })

  it.each([
    ['linux', 'EBUSY', 'rename'],
    ['linux', 'EACCES', 'rename'],
    ['darwin', 'EPERM', 'unlink'],
    // Nothing but a right is missing there.
    ['win32', 'EPERM', 'open'],
    ['win32', 'EACCES', 'mkdir'],
    ['win32', 'ENOENT', 'rename'],
    ['win32', 'ENOSPC', 'write'],
  ] as const)('on %s %s of %s is thrown at once', (platform, code, syscall) => {
    const { work, pause, waited } = failing(1, refusal(code, syscall))
    expect(() => whileHeld(work, { platform, pause })).toThrow(code)
    expect(waited()).toBe(0)
  })

  it('whose name is to be given again is waited for', () => {
    const { work, pause } = failing(5, refusal('EPERM', 'open'))
    expect(whileHeld(work, { platform: 'win32', pause, creates: true })).toBe('done')
  })
})

describe('the error for a held file', () => {
  const opening =
    (codes: Readonly<Record<string, string>>) =>
    (path: string): void => {
      const code = codes[path]
      if (code !== undefined) throw refusal(code, 'open')
    }
  const told = (cause: unknown, codes: Readonly<Record<string, string>>, paths = ['C:\\hq\\token.db']) =>
    heldOpen(paths, cause, { platform: 'win32', open: opening(codes) })

  it('names the file that is held, of those that SQLite may mean, and ends with 75', () => {
    const cause = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_WRITE' })
    const error = told(cause, { 'C:\\hq\\token.db-journal': 'EBUSY' }, [
      'C:\\hq\\token.db',
      'C:\\hq\\token.db-journal',
    ])
    expect(error).toBeInstanceOf(HeldOpen)
    expect(error).toMatchObject({
      message: 'another program holds C:\\hq\\token.db-journal open',
      hint: expect.stringContaining('resmon') as string,
      ...{ code: 'HQ_STORE_BUSY', exit: 75, transient: true, cause },
    })
  })

  it.each([
    ['it says so itself', refusal('EBUSY', 'open'), {}, true],
    ['it may be written and not replaced', refusal('EPERM', 'rename'), {}, true],
    [
      'it may not be written and a right is missing',
      refusal('EPERM', 'rename'),
      { 'C:\\hq\\token.db': 'EPERM' },
      false,
    ],
    [
      'the draft is held, and there is no file yet',
      refusal('EACCES', 'rename'),
      { 'C:\\hq\\token.db': 'ENOENT' },
      true,
    ],
    [
      'SQLite cannot open it, and so can nobody',
      refusal('SQLITE_CANTOPEN', ''),
      { 'C:\\hq\\token.db': 'EBUSY' },
      true,
    ],
    ['the disk is broken', refusal('SQLITE_IOERR_WRITE', ''), {}, false],
    ['a right is missing', refusal('EPERM', 'open'), { 'C:\\hq\\token.db': 'EPERM' }, false],
    ['there is none', refusal('ENOENT', 'open'), { 'C:\\hq\\token.db': 'ENOENT' }, false],
  ] as const)('is given where %s: %s', (_, cause, codes, isHeld) => {
    expect(told(cause, codes) !== undefined).toBe(isHeld)
  })

  it.each([
    ['can be written and not replaced', {}],
    ['is not there yet', { 'C:\\hq\\token.db': 'ENOENT' }],
  ])('says that a right may be missing where the file %s, and how to see it', (_, codes) => {
    expect(told(refusal('EPERM', 'rename'), codes)).toMatchObject({
      message:
        'C:\\hq\\token.db cannot be replaced or removed: another program holds it open, or you may not delete it (EPERM)',
      hint: expect.stringMatching(/resmon.*icacls C:/) as string,
      exit: 75,
    })
  })

  it.each([
    [{ path: 'C:\\copies\\last.rescue' }, 'C:\\copies\\last.rescue'],
    [{ path: 'C:\\hq\\token.lock' }, 'C:\\hq\\token.lock'],
    [{ path: 'C:\\hq\\.draft', dest: 'C:\\hq\\token.lock' }, 'C:\\hq\\token.lock'],
    [{ path: 'C:\\hq\\.draft', dest: 'C:\\hq\\other' }, 'C:\\hq\\token.db'],
    [{}, 'C:\\hq\\token.db'],
  ])('names the file that the system names: %j', (more, named) => {
    const cause = Object.assign(refusal('EBUSY', 'rename'), more)
    expect(told(cause, {}, ['C:\\hq\\token.db', 'C:\\hq\\token.lock'])?.message).toBe(
      `another program holds ${named} open`,
    )
  })

  it.each(['linux', 'darwin'] as const)('is never given on %s, and no file is opened there', (platform) => {
    const open = (): never => {
      throw new Error('opened')
    }
    expect(heldOpen(['/store/token.db'], refusal('EBUSY', 'rename'), { platform, open })).toBeUndefined()
  })

  it('is passed on', () => {
    const first = told(refusal('EBUSY', 'open'), {})
    expect(heldOpen(['C:\\other'], first)).toBe(first)
  })
})
