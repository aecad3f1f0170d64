import { ConfigInvalid, StoreUnreachable } from '../../src/core/errors.js'
import type { Registry } from '../../src/store/postgres/registry.js'

type Method = Exclude<keyof Registry, 'name'>

/** A registry whose methods can be made to fail, and which counts their calls. */
export interface Bent {
  readonly registry: Registry
  readonly calls: Method[]
  /**
   * From here on: `down`: nothing is done. `refused`: the same, for a password that is not to be had. `mute`: it is done,
   * and its word is lost.
   */
  fault: ((method: Method) => 'down' | 'refused' | 'mute' | undefined) | undefined
}

export function bent(whole: Registry): Bent {
  const calls: Method[] = []
  const made: Bent = {
    calls,
    fault: undefined,
    registry: new Proxy(whole, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        const method = name as Method
        return async (...values: unknown[]): Promise<unknown> => {
          calls.push(method)
          const fault = made.fault?.(method)
          if (fault === 'refused') throw new ConfigInvalid('url_password_command failed (exit status 1)')
          if (fault === 'down') throw new StoreUnreachable('the database is down')
          const result: unknown = await Reflect.apply(value, target, values)
          if (fault === 'mute') throw new StoreUnreachable('the word was lost')
          return result
        }
      },
    }),
  }
  return made
}
