// What the tests of the guard share: a stage for each test, and callers who come at once.
import { beforeEach } from 'vitest'
import type { AccessToken } from '../../src/core/guard-options.js'
import { Secret } from '../../src/core/secret.js'
import { granted, notSent, type Said } from '../support/fake-server.js'
import { Stage } from './stage.js'

export let stage: Stage

beforeEach(() => {
  stage = new Stage()
})

export const SIXTY = Array.from({ length: 60 }, (_, index) => index)
export const DOWN = notSent('ECONNREFUSED')
export const NEXT = granted('access-2', 'refresh-2')
export const value = ({ secret }: AccessToken): string => secret.reveal()
export const rejected = new Secret('access-1')

/** Answers that take a moment, so that everybody comes meanwhile. */
export const slowly = (said: Said) => async (): Promise<Said> => {
  await new Promise((resolve) => setTimeout(resolve, 15))
  return said
}
/** Answers the n-th request with a new pair of its number, as a rotating server does. */
export const rotating = async (): Promise<Said> =>
  slowly(granted(`access-${stage.server.requests + 1}`, `refresh-${stage.server.requests + 1}`))()

/** What became of every caller, by the name of the error or the token. */
export async function fates(callers: Promise<AccessToken>[]): Promise<Set<string>> {
  const settled = await Promise.allSettled(callers)
  return new Set(
    settled.map((one) => (one.status === 'fulfilled' ? value(one.value) : (one.reason as Error).name)),
  )
}

/** Another process holds the lock until it is let go. */
export function holdTheLock(): () => void {
  let letGo = (): void => undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  void stage.store.exclusive(() => held, { waitMs: 0 })
  return letGo
}
