/** The texts of a line, by the names of its columns. */
export type Row = Readonly<Record<string, string>>

export function row(measured: {
  readonly what: string
  readonly unit?: (figure: number) => string
  readonly ours: number
  readonly beside?: string
  readonly theirs?: number
  readonly most?: number
  readonly target?: string
}): Row

export function missing(what: string, beside: string, target: string, error: Error): Row

export function across(
  found: readonly { readonly major: number; readonly rows?: readonly Row[]; readonly error?: Error }[],
  name: string,
): Row[]

export function table(rows: readonly Row[], majors?: readonly number[]): string

export function rowIn(
  text: string,
  measured: string,
  beside: string,
): Row & { readonly ratios: readonly number[] }
