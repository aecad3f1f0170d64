// Holds a file open as other programs do: node holder.cjs FILE SHARE, with Windows' share mode (0 none, 1 read). Ends when it is killed.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const koffi = createRequire(join(process.env.APP, 'package.json'))('koffi')
const open = koffi
  .load('kernel32.dll')
  .func('intptr_t __stdcall CreateFileW(str16, uint32, uint32, void*, uint32, uint32, void*)')
const [, , file, share] = process.argv
const [GENERIC_READ, OPEN_EXISTING, NORMAL] = [0x80000000, 3, 0x80]
const handle = open(file, GENERIC_READ, Number(share), null, OPEN_EXISTING, NORMAL, null)
process.stdout.write(Number(handle) === -1 ? 'refused\n' : 'held\n')
// Node ends when nothing is left to do, and Windows then closes the handle.
setInterval(() => undefined, 1000)
