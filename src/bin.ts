#!/usr/bin/env node
import './descriptors.js' // Before anything is opened.
import { writeOut } from './cli/output.js'
import { warmToken } from './cli/warm.js'
import { realWorld } from './cli/world.js'
import { machineClock } from './machine.js'

// What is said on standard error is lost where nobody takes it; the token and the exit code are not.
process.stderr.on('error', () => undefined)
// Without a listener this signal opens Node's inspector, to every user of the machine.
process.on('SIGUSR1', () => undefined)

const argv = process.argv.slice(2)
const token = warmToken(argv, process.env, machineClock)

if (token === undefined) {
  const { run } = await import('./cli/program.js')
  process.exitCode = await run(argv, realWorld())
} else {
  await writeOut(process.stdout, `${token}\n`).catch(async (error: unknown) => {
    const { report } = await import('./cli/program.js')
    process.exitCode = report(error, realWorld())
  })
}
