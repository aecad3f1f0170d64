// Ten thousand refreshes in a row; prints what each of the first and of the last thousand took, and what had grown.
import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { entry } from '../place.js'
import { median } from '../processes.js'

const folder = dirname(process.argv[2])
const { openGuard } = await entry('.')
const guard = await openGuard()

async function thousand() {
  const taken = []
  const before = process.cpuUsage()
  for (let refresh = 0; refresh < 1000; refresh++) {
    const begun = performance.now()
    await guard.refresh()
    taken.push((performance.now() - begun) / 1000)
  }
  const { user, system } = process.cpuUsage(before)
  // Only the second one frees what waited for its finalizer.
  globalThis.gc()
  await setImmediate()
  globalThis.gc()
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
  const { rss, heapUsed, external } = process.memoryUsage()
  return {
    wall: median(taken),
    cpu: (user + system) / 1e6 / 1000,
    store: sizes.reduce((sum, size) => sum + size),
    heap: heapUsed + external,
    resident: rss,
  }
}

const first = await thousand()
const second = await thousand()
for (let done = 2; done < 9; done++) await thousand()
console.log(JSON.stringify({ first, second, last: await thousand() }))
