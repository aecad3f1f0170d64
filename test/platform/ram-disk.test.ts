import * as fs from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Notice } from '../../src/core/ports.js'
import { NotClosed } from '../../src/platform/access-control.js'
import { makeFolder } from '../../src/platform/files.js'
import { assertNewPlace } from '../../src/store/windows-store.js'
import { folder } from '../support/folder.js'
import { SDDL, windowsThat } from './windows-answers.js'

// Windows gives no real path of anything on a disk in memory whose driver does not know the volume manager.
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  const native = (): never => {
    throw Object.assign(new Error('EISDIR: illegal operation on a directory, realpath'), { code: 'EISDIR' })
  }
  return { ...real, realpathSync: Object.assign(real.realpathSync.bind(real), { native }) }
})

describe('a folder of which Windows tells no real path', () => {
  let here: string
  beforeEach(() => {
    here = folder()
  })

  const made = (powershell: string): Notice[] => {
    const told: Notice[] = []
    const place = { database: join(here, 'token.db'), place: 'R:\\hq\\token.db', folder: here }
    assertNewPlace(place, {}, (notice) => told.push(notice), windowsThat({ powershell }))
    return told
  }

  it('is judged by the name that it has', () => {
    expect(made(`${SDDL.closed}\r\n`)).toEqual([])
    expect(() => made(`${SDDL.belowDrive}\r\n`)).toThrow(NotClosed)
    expect(made('')).toMatchObject([
      { level: 'warning', message: expect.stringMatching(/was not looked at/) as string },
    ])
  })

  it('is made, too', () => {
    makeFolder(join(here, 'hq', 'store'), undefined, windowsThat({ powershell: `${SDDL.closed}\r\n` }))
    expect(fs.readdirSync(join(here, 'hq'))).toEqual(['store'])
  })
})
