import { expect, it } from 'vitest'
import { checkOf } from '../../src/core/unreached.js'

it.each([
  ['SELF_SIGNED_CERT_IN_CHAIN', /certificate.*ca_file/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /certificate.*ca_file/],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /certificate.*ca_file/],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /certificate.*ca_file/],
  ['CERT_HAS_EXPIRED', /certificate.*hq-token doctor/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', /certificate.*hq-token doctor/],
  ['ECONNREFUSED', /^check the network and the URL$/],
  ['PROXY_SELF_SIGNED_CERT_IN_CHAIN', /^check the proxy/],
])('%s is looked at where it comes from', (code, words) => {
  expect(checkOf(code)).toMatch(words)
})
