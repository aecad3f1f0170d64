// Loaded before the program: notes when it looks at the lock in vain. The warm path pauses after each such look, by
// `Atomics.wait`.
const { appendFileSync } = require('node:fs')

const pause = Atomics.wait
const looks = []
Atomics.wait = (...args) => {
  looks.push(`${Date.now() / 1000}\n`)
  return pause(...args)
}
process.on('exit', () => appendFileSync(process.env.LOOKS, looks.join('')))
