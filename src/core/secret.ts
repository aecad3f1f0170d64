// Keeps secrets out of everything that is printed. Pure: reads and prints nothing.
import { createHash } from 'node:crypto'

const REDACTED = '[secret]'

/** `util.inspect.custom`, without the time that `node:util` takes to load. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Characters that tell one secret from another; a text that was cut off may hold no more of the secret. */
const HEAD = 12

/** Characters: a shorter text is no secret, and replacing it would blot out half of every sentence. */
const SHORTEST = 6

/**
 * Removes secrets from a text of others, because some servers quote the request: whole or cut off, as it was or
 * encoded for a form.
 */
export function withoutSecrets(text: string, secrets: readonly Secret[]): string {
  const forms = secrets
    .map((secret) => secret.reveal())
    .filter((value) => value.length >= SHORTEST)
    .flatMap((value) => [value, encodeURIComponent(value)])
  return forms.reduce(
    (safe, form) => safe.replace(new RegExp(`${literally(form.slice(0, HEAD))}[^\\s&"']*`, 'g'), REDACTED),
    text,
  )
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/**
 * A string that does not print: every implicit conversion (template, JSON, console, inspect) gives `[secret]`. Only
 * `reveal()` returns the value, so searching for it finds every use.
 *
 * @category Start here
 */
export class Secret {
  readonly #value: string
  /** Set if the value is not here. */
  #fingerprint: string | undefined

  /** @param value The value that must not be printed. */
  constructor(value: string) {
    this.#value = value
  }

  /** A secret whose value is kept elsewhere: only its fingerprint is known here. */
  static elsewhere(fingerprint: string): Secret {
    const secret = new Secret('')
    secret.#fingerprint = fingerprint
    return secret
  }

  /** The value itself. @throws {Error} it is kept elsewhere */
  reveal(): string {
    if (this.#fingerprint !== undefined) throw new Error('this secret is kept elsewhere')
    return this.#value
  }

  /** Whether both hold the same value. */
  equals(other: Secret): boolean {
    const isHere = this.#fingerprint === undefined && other.#fingerprint === undefined
    return isHere ? this.#value === other.#value : this.fingerprint === other.fingerprint
  }

  /** The first 12 hex digits of the value's SHA-256: enough to tell tokens apart, useless to an attacker. */
  get fingerprint(): string {
    return this.#fingerprint ?? createHash('sha256').update(this.#value).digest('hex').slice(0, 12)
  }

  /** `[secret]`, not the value. */
  toString(): string {
    return REDACTED
  }

  /** @hidden */
  toJSON(): string {
    return REDACTED
  }

  /** @hidden */
  [Symbol.toPrimitive](): string {
    return REDACTED
  }

  /** @hidden */
  [INSPECT](): string {
    return REDACTED
  }
}
