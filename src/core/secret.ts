import { createHash } from 'node:crypto'
import { inspect } from 'node:util'

const REDACTED = '[secret]'

/** Characters that tell one secret from another; a text that was cut off may hold no more of it. */
const HEAD = 12

/** Takes secrets out of a text from outside, also where only their beginning stands: some servers quote what was sent. */
export function withoutSecrets(text: string, secrets: readonly Secret[]): string {
  return secrets.reduce((safe, secret) => {
    const head = secret.reveal().slice(0, HEAD)
    return head === '' ? safe : safe.replace(new RegExp(`${literally(head)}\\S*`, 'g'), REDACTED)
  }, text)
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

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
