// Loaded before the program: notes when a process that waits for another one's refresh pauses, by `Atomics.wait`. A look
// follows each pause.
const { appendFileSync } = require('node:fs')

const pause = Atomics.wait
const looks = []
Atomics.wait = (...args) => {
  looks.push(`${Date.now() / 1000}\n`)
  return pause(...args)
}
process.on('exit', () => appendFileSync(process.env.LOOKS, looks.join('')))
