// All commands, in the order of the help. A new one is a folder of its own, and two lines here.
import * as init from './commands/init/command.js'
import * as seed from './commands/seed/command.js'
import * as get from './commands/get/command.js'
import * as refresh from './commands/refresh/command.js'
import * as api from './commands/api/command.js'
import * as exec from './commands/exec/command.js'
import * as credential from './commands/credential/command.js'
import * as login from './commands/login/command.js'
import * as logout from './commands/logout/command.js'
import * as status from './commands/status/command.js'
import * as doctor from './commands/doctor/command.js'
import * as sandbox from './commands/sandbox/command.js'

export const commands = [
  init,
  seed,
  get,
  refresh,
  api,
  exec,
  credential,
  login,
  logout,
  status,
  doctor,
  sandbox,
]
