// Tries whether this process may open files. Keeps none open.
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { noMoreFiles } from './errno.js'

/** @throws {StoreUnusable} if this process may not open so many files more. */
export function assertMayOpen(count: number): void {
  const opened: number[] = []
  try {
    while (opened.length < count) opened.push(openSync(devNull, 'r'))
  } catch (error) {
    throw noMoreFiles(error) ?? error
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}
