export const MAJORS: readonly number[]

interface Node {
  readonly major: number
  /** The path of its binary. */
  readonly path: string
  /** A folder with this Node and a shell. */
  readonly bin: string
}

export function fetchNode(major: number, cache?: string): Promise<Node>
export function fetchPackages(
  node: Node,
  dependencies: Readonly<Record<string, string>>,
  cache?: string,
): Promise<string>
