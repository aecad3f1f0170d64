// Says in a few words what hq-token costs. It measures nothing: every figure is one of the tables in bench/results.md.
import { rowIn } from './rows.js'

const BARE = '`node -e 0`'
const EXCHANGE = 'one process with a bare `https.request`'

/** @param results The text of bench/results.md. */
export function inShort(results) {
  const times = (measured, beside) => {
    const { ratios } = rowIn(results, measured, beside)
    if (ratios.length === 0) return '(not measured)'
    const [least, most] = [Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2)]
    return least === most ? most : `${least} to ${most}`
  }
  const warm = (figure) => times(`warm \`get\`, ${figure}`, BARE)
  const refreshing = (figure) => times(`\`get\` that refreshes, ${figure}`, EXCHANGE)
  const storm = (jobs) =>
    times(`${jobs} \`get\`s at once at expiry, wall`, 'as many `node -e 0`, and one exchange')
  return `* **A warm \`get\`**, which finds a fresh token, takes ${warm('cpu')} times the CPU time of \`node -e 0\`, and
  ${warm('peak')} times its memory. No program in Node can take less than \`node -e 0\`, which does nothing.
* **A \`get\` that refreshes** takes ${refreshing('cpu')} times the CPU time of a Node process that makes the same request and
  nothing else, ${refreshing('wall')} times as long, and ${refreshing('peak')} times its memory.
* **Many jobs at once on an expired token** share one refresh. Ten take ${storm(10)} times as long as ten \`node -e 0\` and one
  request, and 200 take ${storm(200)} times as long as 200 and one.
`
}
