/** The edits that `npm run test:breaks` makes, one by one, and the tests that must notice. A file for each room. */
import core from './breaks/core.js'
import store from './breaks/store.js'
import sharedStore from './breaks/shared-store.js'
import registry from './breaks/registry.js'
import simulation from './breaks/simulation.js'
import network from './breaks/network.js'
import oauth from './breaks/oauth.js'
import config from './breaks/config.js'
import cli from './breaks/cli.js'
import notify from './breaks/notify.js'
import wiring from './breaks/wiring.js'
import platform from './breaks/platform.js'
import repository from './breaks/repository.js'
import monitoring from './breaks/monitoring.js'
import completion from './breaks/completion.js'

export const BREAKS = [
  ...core,
  ...store,
  ...sharedStore,
  ...registry,
  ...simulation,
  ...network,
  ...oauth,
  ...config,
  ...cli,
  ...notify,
  ...wiring,
  ...platform,
  ...repository,
  ...monitoring,
  ...completion,
]
