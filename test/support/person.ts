import { expect } from 'vitest'

/** What a person does at the sandbox's page, without a browser: the address that the browser ends at. */
export async function decided(address: string, decision: 'allow' | 'deny'): Promise<string> {
  const page = await (await fetch(address)).text()
  const nonce = /name="nonce" value="([^"]+)"/.exec(page)?.[1] ?? ''
  const body = new URLSearchParams({ nonce, decision })
  const { status, headers } = await fetch(address, { method: 'POST', body, redirect: 'manual' })
  expect(status).toBe(303)
  return headers.get('location') ?? ''
}
