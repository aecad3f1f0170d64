export interface Command {
  readonly argv: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** What it must print. */
  readonly prints?: RegExp
}

export interface Limits {
  /** Of the CPU time, as a multiple of a bare Node's. */
  readonly cpu: number
  /** Opened beyond a bare Node's. */
  readonly files: number
  /** That files may be opened of. */
  readonly packages: readonly string[]
}

export class Stopwatch {
  run(command: Command & { readonly atOnce?: number }): Promise<{ readonly outputs: readonly string[] }>
  close(): Promise<void>
}

export function tooHeavy(
  get: Command,
  limits: Limits,
  stopwatch: Stopwatch,
  rounds?: number,
): Promise<readonly string[]>

export function openedBeyondBare(
  command: Command,
): Promise<{ readonly files: readonly string[]; readonly packages: readonly string[] }>

export function looksAt(
  lock: string,
  work: (stopwatch: Stopwatch) => Promise<void>,
): Promise<readonly number[]>

export function busiest(times: readonly number[], seconds: number): number
