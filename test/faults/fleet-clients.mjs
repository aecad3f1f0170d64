// Many clients of a shared store in one process, each with a seat and a connection of its own. Prints what each was
// served, as JSON.
import { openGuard } from '../../dist/index.js'

const configs = process.argv.slice(2)
const hold = new Promise((resolve) => process.stdin.once('data', resolve))
process.stdout.write('here\n')
await hold
process.stdin.destroy()
const served = await Promise.all(
  configs.map(async (config) => {
    const guard = await openGuard({ config, notify: () => undefined })
    try {
      return { token: (await guard.token()).secret.reveal() }
    } catch (error) {
      return { error: String(error) }
    }
  }),
)
process.stdout.write(JSON.stringify(served))
process.exit()
