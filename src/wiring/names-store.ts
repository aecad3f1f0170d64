// Says how the configuration of this host names another store. Reads nothing.
import type { Config } from '../config/load.js'
import { variable, type Environment } from '../config/paths.js'
import type { NamesStore } from '../core/move-notes.js'
import { shellWord } from '../core/shell-quoting.js'

export function namesStore({ file, profile, shared }: Config, env: Environment): NamesStore {
  const isByVariable =
    file === null ||
    ['HQ_TOKEN_STORE', 'HQ_TOKEN_STORE_URL'].some((name) => variable(env, name) !== undefined)
  const place = `in [store] of ${file ?? ''}`
  return (address) => {
    if ('path' in address) {
      const instead =
        shared === null ? '' : isByVariable ? ' in place of HQ_TOKEN_STORE_URL' : ', in place of url'
      return isByVariable
        ? `set HQ_TOKEN_STORE=${shellWord(address.path)}${instead}`
        : `set path = ${address.path} ${place}${instead}`
    }
    const { name, typed: url = address.url } = address
    const isUsual = name === (profile ?? 'default')
    if (!isByVariable) {
      const instead = shared === null ? ', in place of path' : ''
      return `set url = ${url}${isUsual ? '' : ` and name = ${name}`} ${place}${instead}`
    }
    const named = isUsual ? '' : ` and HQ_TOKEN_STORE_NAME=${name}`
    return `set HQ_TOKEN_STORE_URL=${shellWord(url)}${named}${shared === null ? ' in place of HQ_TOKEN_STORE' : ''}`
  }
}
