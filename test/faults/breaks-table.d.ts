interface Edit {
  readonly file: string
  /** Stands there once. */
  readonly find: string
  readonly replace: string
}

export interface Break extends Edit {
  readonly name: string
  readonly and?: readonly Edit[]
  /** The tests that must notice. */
  readonly by: { readonly file: string; readonly filter?: string }
}

export const BREAKS: readonly Break[]
