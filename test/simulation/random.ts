// Random choices from a seed, so that a schedule can be run again.
import { drawsFrom } from '../support/draws.js'

export class Random {
  /** At least 0, below 1. */
  readonly next: () => number

  constructor(seed: number) {
    // Neighbours must not draw one series, shifted.
    this.next = drawsFrom(Math.imul(seed, 0x9e3779b1) ^ 0x5bf03635)
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  /** Between two numbers, each order of magnitude as likely as the other. */
  scaled(least: number, most: number): number {
    return least * (most / least) ** this.next()
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from')
    return list[this.below(list.length)] as T
  }
}
