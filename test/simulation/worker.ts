// A worker of scripts/simulate.js: runs the schedules of the seeds that it is sent, or writes the steps of one.
import { parentPort } from 'node:worker_threads'
import { replay, simulate } from './run.js'

/** Seeds to run, or one to be replayed. */
export type Task = { readonly from: number; readonly count: number } | { readonly seed: number }

parentPort?.on('message', (task: Task) => {
  const done = 'seed' in task ? replay(task.seed, { isTraced: true }) : simulate(task.from, task.count)
  void done.then((result) => parentPort?.postMessage(result))
})
