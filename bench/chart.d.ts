export function chart(results: string): string
