export const ordinary: { readonly uid?: number; readonly gid?: number }

export function giveToOrdinary(path: string): string

export function writeForOrdinary(path: string, text: string): string

export interface Guarded {
  readonly pid: number
  /** Ends the server by a signal, and waits until it is gone. */
  readonly end: (by?: NodeJS.Signals) => Promise<void>
}

export function startGuarded(
  at: string,
  command: readonly string[],
  signal: 'QUIT' | 'TERM',
  isReady: () => boolean | Promise<boolean>,
): Promise<Guarded>
