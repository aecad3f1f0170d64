// Opens an address in the person's browser. Loads the package `open` only then.
import { variable } from './windows-programs.js'

/**
 * Opens an address in the person's browser.
 *
 * @returns False if there is none to open: no screen, or one at the other end of a connection.
 */
export async function openBrowser(
  url: string,
  { env, platform }: Pick<NodeJS.Process, 'env' | 'platform'>,
): Promise<boolean> {
  if (!hasScreen(env, platform)) return false
  try {
    const { default: open } = await import('open')
    const child = await within(env, () => open(url))
    return await new Promise((resolve) => {
      child.once('error', () => {
        resolve(false)
      })
      // A command that cannot open the address ends soon; one that can may stay. PowerShell on Windows may only be
      // starting by then: the caller shows the address in any case.
      child.once('exit', (code) => {
        resolve(code === 0)
      })
      setTimeout(resolve, 1_000, true).unref()
    })
  } catch {
    return false
  }
}

/** Whether a browser would show itself to the person who waits here. */
export function hasScreen(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): boolean {
  const isElsewhere = env['SSH_CONNECTION'] !== undefined && env['DISPLAY'] === undefined
  if (isElsewhere && env['BROWSER'] === undefined) return false
  if (platform === 'linux') return [env['DISPLAY'], env['WAYLAND_DISPLAY'], env['BROWSER']].some((one) => one)
  if (platform !== 'win32') return true
  // A service, a task of Task Scheduler, and WinRM run in session 0, which has a name of its own or none. There a
  // browser would start where nobody sees it.
  const session = variable(env, 'SESSIONNAME') ?? ''
  return session !== '' && session.toLowerCase() !== 'services'
}

/** Sets `process.env` meanwhile, because the package starts its command with that environment and takes no other. */
async function within<T>(env: NodeJS.ProcessEnv, start: () => Promise<T>): Promise<T> {
  const before = process.env
  process.env = env
  try {
    return await start()
  } finally {
    process.env = before
  }
}
