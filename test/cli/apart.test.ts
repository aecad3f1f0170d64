// How many processes look at profiles at one moment.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { firstLine, inTurn } from '../../src/cli/apart.js'
import { folder } from '../support/folder.js'

it('no more processes run at once than the machine can, and each has its time from its own start', async () => {
  const log = join(folder(), 'log')
  writeFileSync(log, '')
  const script = `
    const { appendFileSync } = require('node:fs')
    appendFileSync(${JSON.stringify(log)}, '+')
    setTimeout(() => { appendFileSync(${JSON.stringify(log)}, '-'); console.log('done') }, 700)`
  const most = availableParallelism() + 1
  const world = { self: [process.execPath, '-e', script] }
  const lines = await Promise.all(
    Array.from({ length: 3 * most }, () => inTurn(() => firstLine(world, [], process.env, 2000))),
  )
  // Together they take longer than the time of one.
  expect(lines).toEqual(lines.map(() => 'done'))
  let [now, peak] = [0, 0]
  for (const mark of readFileSync(log, 'utf8')) peak = Math.max(peak, (now += mark === '+' ? 1 : -1))
  expect(peak).toBeLessThanOrEqual(most)
})
