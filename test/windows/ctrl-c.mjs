// Ctrl-C and Ctrl-Break in the middle of a refresh, in a console of its own: ctrl-c.mjs RESULTS APP. The signal waits for the save.
import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , results, app] = process.argv
process.chdir('C:\\')
process.env.APP = app
const { isWine, place, tidy, until } = await import('./support/place.mjs')
const koffi = createRequire(join(app, 'package.json'))('koffi')
const kernel = koffi.load('kernel32.dll')
const generate = kernel.func('bool __stdcall GenerateConsoleCtrlEvent(uint32, uint32)')
// A console of its own, because an event reaches every process of one, and the program that runs this is to go on.
kernel.func('bool __stdcall FreeConsole()')()
if (!kernel.func('bool __stdcall AllocConsole()')()) throw new Error('there is no console to be had')
// Who runs this may have told its descendants to take no Ctrl-C.
kernel.func('bool __stdcall SetConsoleCtrlHandler(void*, bool)')(null, false)
/** The events of a console, and how a shell names the status of a program that ends by it. */
const EVENTS = { 'Ctrl-C': [0, 130], 'Ctrl-Break': [1, 149] }
if (isWine()) {
  delete EVENTS['Ctrl-Break']
  process.stderr.write('this is Wine, whose consoles send no Ctrl-Break: it is not tried\n')
}

// Both reach this process too, which goes on.
for (const signal of ['SIGINT', 'SIGBREAK']) process.on(signal, () => undefined)
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
