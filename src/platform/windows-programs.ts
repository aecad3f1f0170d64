// Finds the programs of Windows itself by the environment. Touches nothing.
import { win32 } from 'node:path'

/** A variable, whose name Windows reads in any case. A copy of the environment does not. */
export function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const key = Object.keys(env)
    .sort()
    .find((one) => one.toUpperCase() === name.toUpperCase())
  return key === undefined ? undefined : env[key]
}

/**
 * A program of Windows by its whole path, because a folder of PATH may hold another by its name. A variable that names no folder
 * of a drive is passed over, because the path would be looked for in the current folder, or on another machine.
 */
export function systemProgram(name: string, env: NodeJS.ProcessEnv): string {
  const root = variable(env, 'SystemRoot') ?? ''
  return win32.join(/^[a-z]:\\[^\\]/i.test(root) ? root : 'C:\\Windows', 'System32', name)
}

/** The variables that Windows' own programs get. PATH is not among them, because another program there could have the name. */
const GIVEN =
  /^(?:SystemRoot|SystemDrive|windir|ProgramFiles.*|ProgramData|USERPROFILE|(?:LOCAL)?APPDATA|TEMP|TMP|PATHEXT)$/i

/** The variables that Windows' programs need: no secret, and no PSModulePath, because Windows PowerShell cannot load the modules of PowerShell 7. */
export function givenTo(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => GIVEN.test(name)))
}
