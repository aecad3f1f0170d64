// Loads CommonJS modules and addons by their paths. The bundle has its own `require` in the place of this file, because
// loading `node:module` takes longer than reading a token.
import { createRequire } from 'node:module'

export const nodeRequire = createRequire(import.meta.filename)
