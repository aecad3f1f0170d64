import type { Words } from './svg.js'

export function terminalSvg(output: string, columns: number, words: Words): Promise<string>
