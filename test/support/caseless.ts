import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { folder } from './folder.js'

const mounts: string[] = []

afterAll(() => {
  for (const path of mounts.splice(0)) execFileSync('umount', ['-l', path])
})

/** Whether this machine lets `mountCaseless` mount: root, Debian's ntfs-3g, and a `/dev/fuse` that may be used. */
export function canMount(): boolean {
  if (process.geteuid?.() !== 0) return false
  try {
    execFileSync('umount', ['-l', mountCaseless()])
    mounts.pop()
    return true
  } catch {
    return false
  }
}

/** A folder in which the case of a name does not count; gone after the test file. */
export function mountCaseless(): string {
  const here = folder()
  const [image, path] = [join(here, 'image'), join(here, 'mounted')]
  writeFileSync(image, '')
  truncateSync(image, 32 * 1024 * 1024)
  execFileSync('mkntfs', ['-F', '-Q', '-q', image], { stdio: 'ignore' })
  mkdirSync(path)
  execFileSync('lowntfs-3g', ['-o', 'ignore_case,fmask=177,dmask=077', image, path])
  mounts.push(path)
  return path
}
