#!/usr/bin/env node
// The package's `bin` names this file. Its syntax is that of the oldest Node, because a Node that is too old must be
// able to read it. The two numbers come from `engines` of package.json, and the build is a hash of start.cjs.
'use strict'
var MAJOR = 0
var MINOR = 0
var BUILD = ''
var is = process.versions.node.split('.').map(Number)

if (is[0] > MAJOR || (is[0] === MAJOR && is[1] >= MINOR)) program().start()
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

// Loads start.cjs as `require` would, but with the compiled code that compile.cjs has kept beside it, because V8 takes
// longer to compile the program than to run it.
function program() {
  var fs = require('fs')
  var vm = require('vm')
  var file = require('path').join(__dirname, 'start.cjs')
  if (require.cache[file] !== undefined) return require.cache[file].exports
  var key = keyOf(fs, file)
  var script = new vm.Script(
    '(function (exports, require, module, __filename, __dirname) {\n' +
      fs.readFileSync(file, 'utf8') +
      '\n})',
    { filename: file, lineOffset: -1, cachedData: compiledCode(fs, file + '.compiled', key) },
  )
  // For compile.cjs.
  process.emit('hq-token: loaded', script, key)
  var own = new module.constructor(file, module)
  own.filename = file
  // The other files of the bundle ask for it.
  require.cache[file] = own
  script.runInThisContext()(own.exports, require, own, file, __dirname)
  own.loaded = true
  return own.exports
}

// V8 trusts what it gets here. So it must be of this very file and this very Node, and it must be whole: there are two
// copies, because comparing them takes less time than a checksum.
function compiledCode(fs, path, key) {
  if (key === undefined) return undefined
  try {
    var kept = fs.readFileSync(path)
    var begin = key.length + 1
    var end = begin + (kept.length - begin) / 2
    var code = kept.subarray(begin, end)
    if (kept.latin1Slice(0, begin) === key + '\n' && code.equals(kept.subarray(end))) return code
  } catch (error) {
    // The installation has left no compiled code.
  }
}

// Names the file and the Node. `undefined` if the system does not show them, as without /proc.
function keyOf(fs, file) {
  try {
    var parts = [BUILD, process.version, process.arch]
    ;[file, process.execPath].forEach(function (path) {
      var is = fs.statSync(path)
      parts.push(encodeURI(path), is.size, is.mtimeMs)
    })
    return parts.join(' ')
  } catch (error) {
    return undefined
  }
}

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
