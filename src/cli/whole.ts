// Loads the whole of the command line, which is an ES module.
type Main = (typeof import('./main.js'))['main']

/** Runs the program by commander. */
export async function runWhole(...given: Parameters<Main>): ReturnType<Main> {
  const { main } = await import('./main.js')
  return main(...given)
}
