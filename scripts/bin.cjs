#!/usr/bin/env node
// The package's `bin` names this file. Its syntax is that of the oldest Node, because a Node that is too old must be
// able to read it. The two numbers come from `engines` of package.json.
'use strict'
var MAJOR = 0
var MINOR = 0
var is = process.versions.node.split('.').map(Number)

if (is[0] > MAJOR || (is[0] === MAJOR && is[1] >= MINOR)) require('./start.cjs').start()
else
  tell(
    'this is Node ' +
      process.version +
      ' (' +
      process.execPath +
      '), and hq-token needs Node ' +
      MAJOR +
      '.' +
      MINOR +
      ' or newer',
  )

function tell(message) {
  var hint = 'node --version; install a newer one, or put its folder first in PATH'
  var isJson = /--log-format[= ]json/.test(process.argv.join(' '))
  var line = {
    time: new Date().toISOString(),
    level: 'error',
    code: 'HQ_CONFIG_INVALID',
    message: message,
    hint: hint,
  }
  process.stderr.write(
    isJson ? JSON.stringify(line) + '\n' : 'hq-token: error: ' + message + '\nhq-token: hint: ' + hint + '\n',
  )
  process.exitCode = 78
}
