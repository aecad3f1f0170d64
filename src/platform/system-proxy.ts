// Reads which proxy Windows names to other programs, for `doctor`. Uses none, because no program says what a script of
// such a setting would answer, and an account may have another than the person who tries.
import type { WindowsSystem } from './access-control.js'
import { givenTo, systemProgram } from './windows-programs.js'

export interface SystemProxy {
  /** The setting, as Windows' own pages name it. */
  readonly from: string
  /** Host and port; `null` if a script decides. */
  readonly server: string | null
  /** The address of that script, without its query. */
  readonly script: string | null
}

const SETTINGS = 'SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings'

/**
 * The proxy of this account, else that of services; `null` if there is none. By the registry, because `netsh winhttp
 * show proxy` answers in the system's language.
 *
 * @see https://learn.microsoft.com/windows-server/administration/windows-commands/reg-query
 */
export function systemProxy({
  platform,
  env,
  run,
}: Pick<WindowsSystem, 'platform' | 'env' | 'run'>): SystemProxy | null {
  if (platform !== 'win32') return null
  const query = (...of: readonly string[]): ReadonlyMap<string, string> => {
    const { status, output } = run(systemProgram('reg.exe', env), ['query', ...of], givenTo(env))
    return status === 0 ? valuesOf(output) : new Map()
  }
  return (
    ofAccount(query(`HKCU\\${SETTINGS}`)) ??
    ofServices(query(`HKLM\\${SETTINGS}\\Connections`, '/v', 'WinHttpSettings'))
  )
}

/** The values of the first key that `reg query` prints: name, kind and text, four spaces apart. */
function valuesOf(output: string): ReadonlyMap<string, string> {
  const [, own = ''] = /^\s*HKEY_[^\r\n]*([^]*?)(?=^HKEY_|$(?![^]))/m.exec(output) ?? []
  return new Map(
    [...own.matchAll(/^ {4}(\S.*?) {4}REG_\w+ {4}(.*?)\r?$/gm)].map(([, name = '', text = '']) => [
      name,
      text,
    ]),
  )
}

function ofAccount(values: ReadonlyMap<string, string>): SystemProxy | null {
  const from = 'Internet Options'
  const script = scriptOf(values.get('AutoConfigURL') ?? '')
  if (script !== null) return { from, server: null, script }
  const server = Number(values.get('ProxyEnable')) === 1 ? serverIn(values.get('ProxyServer') ?? '') : null
  return server === null ? null : { from, server, script: null }
}

/** The head of WinHTTP's bytes: size, counter, flags, and the length of the text that follows, four bytes each. */
function ofServices(values: ReadonlyMap<string, string>): SystemProxy | null {
  const bytes = Buffer.from(values.get('WinHttpSettings') ?? '', 'hex')
  if (bytes.byteLength < 16 || (bytes.readUInt32LE(8) & 2) === 0) return null
  const server = serverIn(bytes.toString('latin1', 16, 16 + bytes.readUInt32LE(12)))
  return server === null ? null : { from: 'WinHTTP', server, script: null }
}

/** `HOST:PORT`, or `http=HOST:PORT;https=HOST:PORT`; a SOCKS proxy is of no use here. */
function serverIn(text: string): string | null {
  const all = text.split(/[;\s]+/).filter((one) => one !== '')
  const one = all.find((part) => /^https=/i.test(part)) ?? all.find((part) => !part.includes('='))
  const named = (one ?? '').replace(/^https=/i, '')
  const url = /^https?:\/\//i.test(named) ? named : `http://${named}`
  if (!URL.canParse(url)) return null
  const { protocol, host } = new URL(url)
  return protocol === 'https:' ? `https://${host}` : host
}

function scriptOf(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, host, pathname } = new URL(text)
  return `${protocol}//${host}${pathname}`
}
