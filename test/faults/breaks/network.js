// The breaks of `src/network`: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'redirects are followed',
    file: 'src/network/send-once.ts',
    find: '      this.#response = response\n',
    replace:
      '      this.#response = response\n      if (response.headers.location) http.get(response.headers.location)\n',
    by: tests('faults/network', 'is not followed'),
  },
  {
    name: 'an answer may be as large as it likes',
    file: 'src/network/send-once.ts',
    find: "        if (!this.#body.add(chunk)) this.#end('BODY_TOO_LARGE')\n",
    replace: '        this.#body.add(chunk)\n',
    by: tests('oauth/token-endpoint', 'is 50 MB'),
  },
  {
    name: 'an answer that came while the process stood still is not heard',
    file: 'src/network/send-once.ts',
    find: "      this.#after('all', LATE_MS, () => {\n        this.#end('TIMEOUT')\n      })\n",
    replace: "      this.#end('TIMEOUT')\n",
    by: tests('faults/storm', 'came meanwhile is taken'),
  },
  {
    name: 'what comes behind an error of the parser is dropped',
    file: 'src/network/send-once.ts',
    find: "'UPGRADE_REFUSED' : errnoOf(error)\n    this.#hearRefused()\n",
    replace: "'UPGRADE_REFUSED' : errnoOf(error)\n    this.#end(this.#refused)\n",
    by: tests('network/send-once', 'in a later packet is read'),
  },
  {
    name: 'bytes behind a length that was told too small are dropped',
    file: 'src/network/send-once.ts',
    find: '  return readLeniently(raw).surplus.some((byte) => byte > 0x20)\n',
    replace: '  return false\n',
    by: tests('network/send-once', 'a length told in characters'),
  },
  {
    name: 'nobody looks before the request is handed over',
    file: 'src/network/send-once.ts',
    find: '    const parsed = new Parsed(socket)\n    const why = this.#limits.lastLook?.() ?? null\n',
    replace:
      '    const parsed = new Parsed(socket)\n    const why = (this.#limits.timeoutMs < 0 ? this.#limits.lastLook?.() : null) ?? null\n',
    by: tests('network/send-once', 'holds the request back'),
  },
  {
    name: 'a signal does not end the connecting',
    file: 'src/network/send-once.ts',
    find: "    stop?.addEventListener('abort', this.#onStop)\n",
    replace: '',
    by: tests('e2e/stop', 'ends it at once'),
  },
  {
    name: 'an address has a quarter of a second',
    file: 'src/network/connection.ts',
    find: 'autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(attemptMs))',
    replace: 'autoSelectFamilyAttemptTimeout: 250',
    by: tests('network/send-once', 'has its time'),
  },
  {
    name: 'an address of another server has a quarter of a second',
    file: 'src/network/network.ts',
    find: '...families(connectMs),',
    replace: '...(connectMs < 0 && families(connectMs)),',
    by: tests('network/send-once', 'every other request'),
  },
  {
    name: 'a dead address takes the time of all',
    file: 'src/network/connection.ts',
    find: 'autoSelectFamily: true',
    replace: 'autoSelectFamily: false',
    by: tests('network/send-once', 'a name with several addresses'),
  },
  {
    name: 'a proxy is shown the certificate of the client',
    file: 'src/network/connection.ts',
    find: '(ca === undefined ? {} : { ca })',
    replace: '(ca === undefined ? {} : target.tls)',
    by: tests('network/send-once', 'is shown neither'),
  },
  {
    name: 'nobody asks who the server is',
    file: 'src/network/connection.ts',
    find: 'rejectUnauthorized: true',
    replace: 'rejectUnauthorized: false',
    by: tests('faults/network', 'certificate'),
  },
  {
    name: 'the query of a redirect is kept',
    file: 'src/network/send-once.ts',
    find: '  return origin === url.origin ? origin + pathname : null\n',
    replace: '  return origin === url.origin ? new URL(location, url.href).href : null\n',
    by: tests('network/send-once', 'where a redirect points'),
  },
  {
    name: 'place: a SOCKS proxy is passed over',
    file: 'src/network/no-proxy.ts',
    find: '  if (way.proxyFault && url.protocol',
    replace: "  if (way.proxyFault && way.noProxy === '' && url.protocol",
    by: tests('network/network', 'ALL_PROXY=socks5h'),
  },
  {
    name: 'place: NO_PROXY knows no ranges',
    file: 'src/network/no-proxy.ts',
    find: '  const bits = prefix === undefined ? most : Number(prefix)\n',
    replace: '  const bits = most\n',
    by: tests('network/no-proxy'),
  },
]
