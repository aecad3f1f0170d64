// All commands, in the order of the help. A new one is a folder of its own, and two lines here.
import { command as init } from './commands/init/command.js'
import { command as seed } from './commands/seed/command.js'
import { command as get } from './commands/get/command.js'
import { command as refresh } from './commands/refresh/command.js'
import { command as api } from './commands/api/command.js'
import { command as exec } from './commands/exec/command.js'
import { command as credential } from './commands/credential/command.js'
import { command as move } from './commands/move/command.js'
import { command as login } from './commands/login/command.js'
import { command as logout } from './commands/logout/command.js'
import { command as status } from './commands/status/command.js'
import { command as history } from './commands/history/command.js'
import { command as check } from './commands/check/command.js'
import { command as doctor } from './commands/doctor/command.js'
import { command as notify } from './commands/notify/command.js'
import { command as schedule } from './commands/schedule/command.js'
import { command as completion } from './commands/completion/command.js'
import { command as sandbox } from './commands/sandbox/command.js'

export const commands = [
  init,
  seed,
  get,
  refresh,
  api,
  exec,
  credential,
  move,
  login,
  logout,
  status,
  history,
  check,
  doctor,
  notify,
  schedule,
  completion,
  sandbox,
]
