// Opens an address in the person's browser. Loads the package `open` only then.
/**
 * Opens an address in the person's browser.
 *
 * @returns False if there is none to open: no screen, or one at the other end of a connection.
 */
export async function openBrowser(
  url: string,
  { env, platform }: Pick<NodeJS.Process, 'env' | 'platform'>,
): Promise<boolean> {
  const isElsewhere = env['SSH_CONNECTION'] !== undefined && env['DISPLAY'] === undefined
  const hasScreen =
    platform !== 'linux' || [env['DISPLAY'], env['WAYLAND_DISPLAY'], env['BROWSER']].some((one) => one)
  if (!hasScreen || (isElsewhere && env['BROWSER'] === undefined)) return false
  try {
    const { default: open } = await import('open')
    const child = await within(env, () => open(url))
    return await new Promise((resolve) => {
      child.once('error', () => {
        resolve(false)
      })
      // A command that cannot open the address ends soon; one that can may stay.
      child.once('exit', (code) => {
        resolve(code === 0)
      })
      setTimeout(resolve, 1_000, true).unref()
    })
  } catch {
    return false
  }
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
