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
  close(): void
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

export function looksOf(
  stopwatch: Stopwatch,
  command: Command & { readonly atOnce?: number },
): Promise<{ readonly looks: readonly number[] }>

export function busiest(times: readonly number[], seconds: number): number
