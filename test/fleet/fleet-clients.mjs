// Many clients of a shared store in one process: each is a whole run of `hq-token get`, with a seat and a connection
// of its own. Prints what each has said, as JSON. With `known` before the configurations each has seen the row before.
import { Readable, Writable } from 'node:stream'
import { run } from '../../build/cli/program.js'
import { machineClock, machineHost } from '../../build/platform/machine.js'

const [, , known, ...configs] = process.argv
if (known === 'known') for (const config of configs) await told('status', config)
const letGo = new Promise((resolve) => process.stdin.once('data', resolve))
process.stdout.write('here\n')
await letGo
process.stdin.destroy()
process.stdout.write(JSON.stringify(await Promise.all(configs.map((config) => told('get', config)))))

async function told(command, config) {
  const [stdout, stderr] = [screen(), screen()]
  const code = await run([command], {
    env: { HQ_TOKEN_CONFIG: config },
    platform: process.platform,
    homedir: () => '/nonexistent',
    stdin: Readable.from([]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    inherited: [],
    clock: machineClock,
    host: machineHost,
    interrupted: () => Promise.resolve(),
    openBrowser: () => Promise.resolve(false),
    closeStreams: () => undefined,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

function screen() {
  let text = ''
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      text += chunk
      done()
    },
  })
  return { stream, text: () => text }
}
