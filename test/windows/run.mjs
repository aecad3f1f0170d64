// Runs the scenarios in a Node on Windows, one after the other, and writes what came of each: run.mjs RESULTS APP.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'

const [, , results, app] = process.argv
// Below C:, because Wine shows the files of another system as the drive Z.
process.chdir('C:\\')
process.env.APP = app
const found = []
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.mjs') && name.includes(process.env.ONLY ?? ''))
  .map((name) => join(import.meta.dirname, name))

const stream = run({ files, concurrency: 1 })
const note = (status) => (event) => {
  // A file is told as a scenario, too: one that has failed as a whole has perhaps told nothing else.
  if (event.details.type === 'suite' || (status === 'passed' && files.includes(event.name))) return
  const error = event.details.error
  const failureMessages = error === undefined ? [] : [String(error.cause?.stack ?? error.stack ?? error)]
  found.push({ fullName: event.name, status, failureMessages })
  process.stdout.write(
    `${status === 'passed' ? 'ok    ' : 'FAILED'} ${event.name} (${Math.round(event.details.duration_ms)} ms)\n`,
  )
  for (const message of failureMessages) process.stdout.write(`${message}\n`)
}
stream.on('test:pass', note('passed'))
stream.on('test:fail', note('failed'))
stream.on('test:stderr', ({ message }) => process.stdout.write(message))
stream.on('end', () => {
  if (found.length === 0) throw new Error('no scenario was tried')
  writeFileSync(results, JSON.stringify(found))
})
stream.resume()
