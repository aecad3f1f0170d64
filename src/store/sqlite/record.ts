// Computes the width of SQLite records. Pure.
import type { Value } from '../row.js'

/**
 * A blob that pads a row to exactly `width` bytes. SQLite overwrites a row of unchanged size in place, so a disk
 * that fills up between two writes of the same width cannot stop the second.
 *
 * @param values The row's other columns, in any order; the integer primary key as `null`.
 * @see https://www.sqlite.org/fileformat2.html#record_format
 */
export function padding(values: readonly Value[], width: number, fill: number): Uint8Array {
  const used = recordBytes(values)
  for (const lengthBytes of [1, 2, 3, 4]) {
    const length = width - used - lengthBytes
    if (length >= 0 && varintBytes(2 * length + 12) <= lengthBytes) return new Uint8Array(length).fill(fill)
  }
  return new Uint8Array(0)
}

/** Bytes of one record of `values`; exact if the header is shorter than 128 bytes. */
export function recordBytes(values: readonly Value[]): number {
  return values.reduce<number>((sum, value) => sum + valueBytes(value), 1)
}

function valueBytes(value: Value): number {
  if (value === null) return 1
  if (typeof value === 'number') return 1 + integerBytes(value)
  const length = Buffer.byteLength(value)
  return varintBytes(2 * length + 13) + length
}

function integerBytes(value: number): number {
  if (value === 0 || value === 1) return 0
  const bits = [8, 16, 24, 32, 48].find((size) => value >= -(2 ** (size - 1)) && value < 2 ** (size - 1))
  return (bits ?? 64) / 8
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
