import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret, withoutSecrets } from '../../src/core/secret.js'
import { pair, tokenSet } from '../support/token-sets.js'

const VALUE = 'RT-s3cr3t-value'
const secret = new Secret(VALUE)

describe('a secret', () => {
  // Each of these is a way in which a value reaches a log by accident.
  it.each<[string, () => string]>([
    // eslint-disable-next-line @typescript-eslint/restrict-template-expressions -- the accident itself
    ['a template', () => `${secret}`],
    ['String()', () => String(secret)],
    ['toString()', () => secret.toString()],
    ['joining with a string', () => 'token ' + (secret as unknown as string)],
    ['joining an array', () => [secret, secret].join()],
    ['JSON', () => JSON.stringify({ secret })],
    ['JSON of a token set', () => JSON.stringify({ pair: { refreshToken: secret } }, null, 2)],
    ['inspect', () => inspect(secret)],
    ['inspect of what holds it', () => inspect({ deep: { deeper: [secret] } }, { depth: null })],
    [
      'inspect with all that is hidden',
      () => inspect(secret, { showHidden: true, depth: null, getters: true }),
    ],
    ['inspect without its own way', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['console.log of an object', () => format({ secret })],
    ['console.log with %s', () => format('%s', secret)],
    ['console.log with %o', () => format('%o', secret)],
    ['console.log with %O', () => format('%O', { secret })],
    ['console.log with %j', () => format('%j', { secret })],
    ['console.log with %d', () => format('%d', secret)],
    ['the message of an error', () => new Error(secret as unknown as string).message],
    ['the cause of an error', () => inspect(new Error('refused', { cause: secret }))],
    ['the cause of a cause', () => inspect(new Error('a', { cause: new Error('b', { cause: { secret } }) }))],
    ['a property of an error', () => inspect(Object.assign(new Error('refused'), { secret }))],
    ['an aggregate of errors', () => inspect(new AggregateError([{ secret }], 'all failed'))],
    // eslint-disable-next-line @typescript-eslint/no-misused-spread -- the accident itself
    ['a copy by spreading', () => JSON.stringify({ ...secret })],
    ['a structured clone', () => inspect(structuredClone(secret), { showHidden: true })],
    ['its keys', () => Reflect.ownKeys(secret).join()],
    ['a URL', () => new URL(`https://example.com/?t=${secret as unknown as string}`).href],
    ['a form', () => new URLSearchParams({ t: secret as unknown as string }).toString()],
  ])('a secret does not come out by %s', (_way, print) => {
    expect(print()).not.toContain(VALUE)
  })

  it('a secret says that there was one', () => {
    expect(format('%s %j', secret, { secret })).toBe('[secret] {"secret":"[secret]"}')
  })

  it('a secret is no number', () => {
    expect(Number(secret)).toBeNaN()
  })

  it('a secret comes out by reveal alone', () => {
    expect(secret.reveal()).toBe(VALUE)
  })

  it('a secret keeps every token of a set, whichever way the set is printed', () => {
    const set = tokenSet({
      previous: pair(),
      intent: { attempt: 1, at: 2, boot: null, salvaged: secret, client: null },
    })
    const printed = [inspect(set, { depth: null, showHidden: true }), JSON.stringify(set), format('%O', set)]
    for (const text of printed) expect(text).not.toMatch(/access-1|refresh-1|s3cr3t/)
  })

  it('a secret is told from others by its value', () => {
    expect(secret.equals(new Secret(VALUE))).toBe(true)
    expect(secret.equals(new Secret(`${VALUE} `))).toBe(false)
  })

  it('a secret has a fingerprint: the start of its SHA-256', () => {
    expect(new Secret('abc').fingerprint).toBe('ba7816bf8f01')
    expect(new Secret('').fingerprint).toBe('e3b0c44298fc')
    expect(new Secret('schlüssel').fingerprint).toMatch(/^[0-9a-f]{12}$/)
  })
})

describe('a text from outside', () => {
  const secrets = [new Secret('s3cr3t+client(secret)[0123]'), new Secret('')]

  it.each([
    ['whole', 'bad secret s3cr3t+client(secret)[0123], sorry', 'bad secret [secret] sorry'],
    ['cut off', 'bad secret s3cr3t+client(se', 'bad secret [secret]'],
    ['none', 'bad secret', 'bad secret'],
  ])('a text from outside loses the secrets that it quotes: %s', (_how, text, safe) => {
    expect(withoutSecrets(text, secrets)).toBe(safe)
  })
})
