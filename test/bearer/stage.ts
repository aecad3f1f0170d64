import { vi } from 'vitest'
import { granted } from '../support/fake-server.js'
import { FRESH, Stage } from '../core/stage.js'

/** Each refresh gives the next of `access-2`, `access-3`, …; the store holds `access-1`. */
export function stage(age = FRESH): Stage {
  const made = new Stage().pass(age)
  let issued = 1
  made.server.answers(() => {
    issued++
    return granted(`access-${issued}`, `refresh-${issued}`)
  })
  return made
}

/** Something to wait for, until it is opened. */
export function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return {
    promise,
    open: () => {
      resolve()
    },
  }
}

/** Something will be so; a machine that is busy takes its time. */
export function until(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 60_000 })
}
