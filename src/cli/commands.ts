// All commands, in the order of the help. A new one is a folder of its own, and a line here.
export const commands = await Promise.all([
  import('./commands/init/command.js'),
  import('./commands/seed/command.js'),
  import('./commands/get/command.js'),
  import('./commands/refresh/command.js'),
  import('./commands/api/command.js'),
  import('./commands/exec/command.js'),
  import('./commands/credential/command.js'),
  import('./commands/login/command.js'),
  import('./commands/logout/command.js'),
  import('./commands/status/command.js'),
  import('./commands/doctor/command.js'),
  import('./commands/sandbox/command.js'),
])
