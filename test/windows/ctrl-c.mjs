// Ctrl-C in the middle of a refresh, in a console of its own: ctrl-c.mjs RESULTS APP. The signal waits for the save.
import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , results, app] = process.argv
process.chdir('C:\\')
process.env.APP = app
const { place, tidy, until } = await import('./support/place.mjs')
const koffi = createRequire(join(app, 'package.json'))('koffi')
const kernel = koffi.load('kernel32.dll')
const generate = kernel.func('bool __stdcall GenerateConsoleCtrlEvent(uint32, uint32)')
/** The events of a console, and how a shell names the status of a program that ends by it. */
const EVENTS = { 'Ctrl-C': [0, 130] }

// Ctrl-C reaches this process too, which goes on.
process.on('SIGINT', () => undefined)
const found = []
for (const [name, [event, status]] of Object.entries(EVENTS)) {
  const fullName = `${name} in the middle of a refresh waits for the save`
  try {
    const here = await place('--latency', '6s')
    const seeded = await here.hq('seed', here.seed)
    if (seeded.code !== 0) throw new Error(seeded.stderr)
    const job = here.start(['refresh'])
    await until(here.begun, 'a refresh that is under way')
    if (!generate(event, 0)) throw new Error('the console takes no event')
    const { code } = await job.ended
    const { state, generation } = JSON.parse((await here.hq('status', '--json')).stdout)
    const seen = JSON.stringify({ code, state, generation })
    const wanted = JSON.stringify({ code: status, state: 'fresh', generation: 2 })
    if (seen !== wanted) throw new Error(`${seen} instead of ${wanted}`)
    found.push({ fullName, status: 'passed', failureMessages: [] })
  } catch (error) {
    found.push({ fullName, status: 'failed', failureMessages: [String(error.stack)] })
  }
}
await tidy()
for (const { fullName, status, failureMessages } of found)
  process.stdout.write(
    `${status === 'passed' ? 'ok    ' : 'FAILED'} ${[fullName, ...failureMessages].join('\n')}\n`,
  )
writeFileSync(results, JSON.stringify(found))
process.exit(0)
