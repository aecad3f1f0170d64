import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  asProblem,
  exposure,
  exposureNotices,
  FileProblem,
  isThere,
  makePrivate,
  MOST_BYTES,
  readRegular,
} from '../../src/config/file.js'
import { StoreUnusable } from '../../src/core/errors.js'
import { asRoot } from '../support/as-root.js'
import { folder } from '../support/folder.js'
import { written } from './places.js'

const us = 1000

describe('exposure', () => {
  it.each([
    ['a private file', 0o600, us, { read: false, write: false }],
    ['a read-only private file', 0o400, us, { read: false, write: false }],
    ['our file, readable by our group', 0o640, us, { read: true, write: false }],
    ['root’s file, readable by our group', 0o640, 0, { read: false, write: false }],
    ['root’s file, writable by a group', 0o660, 0, { read: false, write: true }],
    ['our file, writable by our group', 0o620, us, { read: false, write: true }],
    ['a file readable by all', 0o644, 0, { read: true, write: false }],
    ['a file writable by all', 0o602, 0, { read: false, write: true }],
  ])('exposure judges %s', (_, mode, uid, expected) => {
    expect(exposure({ mode: 0o100000 | mode, uid }, us)).toEqual(expected)
  })

  it('exposure says nothing where there are no permission bits', () => {
    // The default would be this process's user.
    const getuid = process.getuid?.bind(process)
    try {
      Object.assign(process, { getuid: undefined })
      expect(exposure({ mode: 0o666, uid: 0 })).toEqual({ read: false, write: false })
    } finally {
      Object.assign(process, { getuid })
    }
  })

  it('exposure names the command that helps, ready to be pasted', () => {
    const own = { uid: process.getuid?.() ?? 0 }
    expect(exposureNotices("/tmp/it's mine.ini", { read: true, write: false }, own)).toEqual([
      {
        level: 'warning',
        message: "/tmp/it's mine.ini can be read by others",
        hint: `chmod 600 '/tmp/it'\\''s mine.ini'`,
      },
    ])
  })

  it.each([
    ['is ours', us, us, 'chmod 600 /etc/a.ini'],
    ['is root’s, and we are not', 0, us, 'as root: chgrp 1001 /etc/a.ini && chmod 640 /etc/a.ini'],
    ['is another’s, and we are root', us, 0, 'chmod 600 /etc/a.ini'],
  ])('exposure leaves a file that %s readable to us', (_, uid, self, command) => {
    expect(makePrivate('/etc/a.ini', { uid }, self, 1001)).toBe(command)
  })
})

describe('readRegular', () => {
  it('readRegular reads a file through a link', () => {
    const link = join(folder(), 'link')
    symlinkSync(written('a', 'content'), link)
    expect(Buffer.from(readRegular(link).bytes).toString()).toBe('content')
  })

  it('readRegular takes the null device for an empty file', () => {
    expect(readRegular('/dev/null').bytes).toHaveLength(0)
  })

  it.each([
    ['a missing file', () => join(folder(), 'none'), 'does not exist'],
    ['a file below a file', () => join(written('a', ''), 'b'), 'does not exist'],
    ['a folder', folder, 'is a directory'],
    ['a device', () => '/dev/zero', 'is not a regular file'],
    ['a huge file', () => written('a', new Uint8Array(MOST_BYTES + 1)), 'is larger than 1 MiB'],
  ])('readRegular refuses %s', (_, path, message) => {
    expect(() => readRegular(path())).toThrow(new FileProblem(message))
  })
})

const OTHER = 54_321

/** As a user who is not root, for as long as it takes. */
function asUs<T>(work: () => T): T {
  const { getuid, getgid } = process
  try {
    process.setegid?.(us)
    process.seteuid?.(us)
    Object.assign(process, { getuid: () => us, getgid: () => us })
    return work()
  } finally {
    Object.assign(process, { getuid, getgid })
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

describe.runIf(asRoot('files that another user may not read'))(
  'a file that may not be read says whose it is',
  () => {
    const theirs = (uid: number, mode: number, folderMode: number, folderOf = uid): string => {
      const path = written('a', 'content')
      chmodSync(path, mode)
      chownSync(path, uid, uid)
      chmodSync(dirname(path), folderMode)
      chownSync(dirname(path), folderOf, folderOf)
      return path
    }

    it.each([
      [
        'another’s',
        () => theirs(OTHER, 0o600, 0o755),
        (path: string) => [
          `it belongs to another user (uid ${OTHER}), mode 600`,
          `ls -ld ${path}; run as that user, or make it yours, as root: chown ${us} ${path}`,
        ],
      ],
      [
        'root’s',
        () => theirs(0, 0o600, 0o755),
        (path: string) => [
          'it belongs to root, mode 600',
          `ls -ld ${path}; as root: chgrp ${us} ${path} && chmod 640 ${path}`,
        ],
      ],
      [
        'a disk',
        () => {
          const path = theirs(0, 0o600, 0o755)
          rmSync(path)
          execFileSync('mknod', ['-m', '600', path, 'b', '7', '250'])
          return path
        },
        (path: string) => ['it belongs to root, mode 600', `ls -ld ${path}; name a regular file`],
      ],
      [
        'our own',
        () => theirs(us, 0o000, 0o755),
        (path: string) => ['it belongs to you, mode 000', `ls -ld ${path}; chmod 600 ${path}`],
      ],
      [
        'in a folder of another',
        () => theirs(OTHER, 0o644, 0o700),
        (path: string) => [
          `the folder ${dirname(path)} belongs to another user (uid ${OTHER}), mode 700`,
          `ls -ld ${dirname(path)}; run as that user, or keep the file in a folder of your own`,
        ],
      ],
      [
        'in a folder of our own',
        () => theirs(us, 0o600, 0o600),
        (path: string) => [
          `the folder ${dirname(path)} belongs to you, mode 600`,
          `ls -ld ${dirname(path)}; chmod 700 ${dirname(path)}`,
        ],
      ],
    ])(
      'a file that may not be read says whose it is and what to do: %s, behind a link too',
      (_, make, said) => {
        const path = make()
        const [whose = '', hint] = said(path)
        const link = join(folder(), 'link')
        symlinkSync(path, link)
        chmodSync(dirname(link), 0o755)
        for (const name of [path, link])
          expect(asUs(() => caught(() => readRegular(name)))).toMatchObject({
            message: `cannot be read: permission denied; ${whose}`,
            details: { hint },
          })
      },
    )
  },
)

function caught(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

it('isThere counts a file that cannot be looked at as one that is there', () => {
  const name = 'x'.repeat(300)
  mkdirSync(join(folder(), 'd'))
  expect(isThere(join(folder(), name))).toBe(true)
  expect(isThere(join(folder(), 'none'))).toBe(false)
})

it.each(['EMFILE', 'ENFILE'])(
  'a file that cannot be opened, because no more files may be (%s), is not wrong itself: a good token is served all the same',
  (code) => {
    // The guard serves a token that still works past each error of this kind.
    expect(() => asProblem(Object.assign(new Error(code), { code }))).toThrow(StoreUnusable)
  },
)
