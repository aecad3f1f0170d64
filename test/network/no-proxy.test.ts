import { describe, expect, it } from 'vitest'
import { isExempt } from '../../src/network/no-proxy.js'

describe('NO_PROXY', () => {
  it.each([
    ['example.com', 'https://example.com/'],
    ['example.com', 'https://a.b.example.com/'],
    ['.example.com', 'https://a.example.com/'],
    ['*.example.com', 'https://a.example.com/'],
    ['EXAMPLE.com', 'https://Example.COM/'],
    ['example.com.', 'https://example.com/'],
    ['example.com', 'https://example.com./'],
    ['example.com:443', 'https://example.com/'],
    ['example.com:8443', 'https://example.com:8443/'],
    ['x, example.com', 'https://example.com/'],
    ['x example.com', 'https://example.com/'],
    ['*', 'https://example.com/'],
    ['x,*', 'https://example.com/'],
    ['10.0.0.0/8', 'https://10.255.1.2/'],
    ['10.0.0.0/8:443', 'https://10.1.2.3/'],
    ['10.1.2.3', 'https://10.1.2.3:8443/'],
    ['0.0.0.0/0', 'https://192.0.2.1/'],
    ['fd00::/8', 'https://[fdab::1]/'],
    ['::1', 'https://[::1]/'],
    ['[::1]', 'https://[::1]/'],
    ['[::1]:443', 'https://[::1]/'],
    ['0:0:0:0:0:0:0:1', 'https://[::1]/'],
    ['10.0.0.0/8', 'https://[::ffff:10.1.2.3]/'],
  ])('%s exempts %s', (noProxy, url) => {
    expect(isExempt(new URL(url), noProxy)).toBe(true)
  })

  it.each([
    ['', 'https://example.com/'],
    [' , ', 'https://example.com/'],
    ['example.com', 'https://notexample.com/'],
    ['a.example.com', 'https://example.com/'],
    ['example.com:8443', 'https://example.com/'],
    ['example.com:443', 'https://example.com:8443/'],
    ['10.0.0.0/8', 'https://11.0.0.1/'],
    ['10.0.0.0/8', 'https://10.example.com/'],
    ['10.0.0.0/33', 'https://10.0.0.1/'],
    ['10.0.0.0/', 'https://10.0.0.1/'],
    ['10.0.0.0/x', 'https://10.0.0.1/'],
    ['10.0.0.0/-1', 'https://10.0.0.1/'],
    ['fd00::/8', 'https://[fe80::1]/'],
    ['fd00::/8', 'https://253.0.0.1/'],
    ['[::1]:8443', 'https://[::1]/'],
    ['0.1', 'https://10.0.0.1/'],
    ['.', 'https://example.com/'],
    ['*.', 'https://example.com/'],
  ])('%s does not exempt %s', (noProxy, url) => {
    expect(isExempt(new URL(url), noProxy)).toBe(false)
  })
})
