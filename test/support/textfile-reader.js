// Reads a textfile and its folder without a pause, as a collector may at any instant, until it is told to stop.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'

const { file } = workerData
/** What was no whole file is in `broken`, and what a collector would have taken beside it in `others`. */
const seen = { reads: 0, changes: 0, broken: [], others: [] }
let stopped = false
let last = ''
parentPort.on('message', () => (stopped = true))

function look() {
  const text = readFileSync(file, 'utf8')
  seen.reads++
  if (text !== last) seen.changes++
  last = text
  if (!/^# HELP hq_token_check_status [^]*\n# EOF\n$/.test(text)) seen.broken.push(text)
  for (const name of readdirSync(dirname(file)))
    if (name.endsWith('.prom') && name !== basename(file)) seen.others.push(name)
  if (stopped) parentPort.postMessage(seen)
  else setImmediate(look)
}
look()
