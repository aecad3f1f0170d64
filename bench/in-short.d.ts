/** @param results The text of bench/results.md. */
export function inShort(results: string): string
