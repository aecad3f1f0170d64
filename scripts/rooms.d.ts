export function roomsDiagram(src: string): string
