// Finds the programs of Windows itself by the environment. Touches nothing.
import { win32 } from 'node:path'

/** A variable, whose name Windows reads in any case. A copy of the environment does not. */
export function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const key = Object.keys(env)
    .sort()
    .find((one) => one.toUpperCase() === name.toUpperCase())
  return key === undefined ? undefined : env[key]
}

/** A program of Windows by its whole path, because a folder of PATH may hold another by its name. */
export function systemProgram(name: string, env: NodeJS.ProcessEnv): string {
  return win32.join(variable(env, 'SystemRoot') ?? 'C:\\Windows', 'System32', name)
}
