import * as fs from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { LastCopies } from '../../src/store/rescue/last-copies.js'
import { storePaths } from '../../src/store/paths.js'
import { folder } from '../support/folder.js'

// As Windows refuses to list a folder; root is refused nothing here.
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  const readdirSync = (path: string): readonly string[] => {
    if (!path.endsWith('closed')) return real.readdirSync(path)
    throw Object.assign(new Error('EPERM: operation not permitted, scandir'), { code: 'EPERM' })
  }
  return { ...real, readdirSync }
})

it('a folder for last copies that may not be listed on Windows holds none of ours', () => {
  const here = folder()
  fs.mkdirSync(join(here, 'closed'))
  const copies = new LastCopies(storePaths(join(here, 'token.db')), {}, [join(here, 'closed')])
  expect(copies.records()).toEqual([])
})
