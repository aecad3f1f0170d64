// Gives up the standard streams of this process. Writes nothing to them.
import { closeSync, existsSync, openSync } from 'node:fs'
import { devNull } from 'node:os'

/** Closes all three: nothing can be printed after it. */
export function closeStreams(): void {
  for (const fd of [0, 1, 2]) close(fd)
}

/**
 * Ends standard output for its reader. The null device takes its number, because a file that is opened later would get
 * it, and a stray word would be written into that.
 */
export function endOutput(): void {
  // Without the null device the stream stays open, because its number must not go to another file.
  if (!existsSync(devNull)) return
  close(1)
  while (openSync(devNull, 'w') < 1);
}

function close(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // It was closed before.
  }
}

/** Lets nothing reach standard error from now on, not even from Node or a program that is started. */
export function muteErrors(): void {
  // Without the null device the stream stays open, because its number must not go to another file.
  if (!existsSync(devNull)) return
  close(2)
  openSync(devNull, 'w')
}
