export type Scheme = Readonly<Record<string, string>>
export const SCHEMES: { readonly light: Scheme; readonly dark: Scheme }
export interface Words {
  readonly title: string
  readonly description: string
}
