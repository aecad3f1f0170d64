import { createHash } from 'node:crypto'
import { inspect } from 'node:util'

const REDACTED = '[secret]'

/**
 * A string that will not print: every implicit conversion (template, JSON, console, inspect) gives
 * `[secret]`. `reveal()` is the only way to the value, so that searching for it audits every use.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  equals(other: Secret): boolean {
    return this.#value === other.#value
  }

  /** The first 12 hex digits of the value's SHA-256: enough to tell tokens apart, useless to an attacker. */
  get fingerprint(): string {
    return createHash('sha256').update(this.#value).digest('hex').slice(0, 12)
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.toPrimitive](): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
