// Answers as a credential plugin of kubectl. Refuses a cluster that is not the token's, if both are named.
import { ConfigInvalid, UsageError } from '../../../core/errors.js'
import { rfc3339 } from '../../../core/clock.js'
import type { CredentialHelper } from './protocols.js'
import { isOurs } from './origin.js'

const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

/** @see https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
export const kubernetes: CredentialHelper = async ({ world, config, guard }, operation) => {
  if (operation !== undefined)
    throw new UsageError('kubernetes has no operations', {
      hint: 'hq-token credential --protocol kubernetes',
    })
  const { apiVersion, server } = asked(world.env['KUBERNETES_EXEC_INFO'])
  // Only the kubeconfig knows the cluster, unless both sides name one and the two differ.
  if (server !== undefined && config.apiUrl !== null && !isOurs(server, config.apiUrl))
    throw new ConfigInvalid(`the token is for ${config.apiUrl.origin}, and the cluster is another server`, {
      hint: 'name the profile of the cluster: hq-token --profile NAME credential --protocol kubernetes',
    })
  const { secret, expiresAt } = await guard.token()
  const status = { expirationTimestamp: rfc3339(expiresAt), token: secret.reveal() }
  return `${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}\n`
}

interface ExecInfo {
  readonly apiVersion?: unknown
  readonly spec?: { readonly cluster?: { readonly server?: unknown } }
}

/** Reads what the client says of itself. A client refuses an answer of another version than it asked for. */
function asked(text = ''): { apiVersion: string; server: string | undefined } {
  const { apiVersion, spec } = text === '' ? { apiVersion: VERSIONS[0] } : (json(text) ?? {})
  const known = VERSIONS.find((version) => version === apiVersion)
  if (known === undefined)
    throw new UsageError(`KUBERNETES_EXEC_INFO asks for neither ${VERSIONS.join(' nor ')}`, {
      hint: `set apiVersion of exec in the kubeconfig to ${VERSIONS[0] ?? ''}`,
    })
  const server = spec?.cluster?.server
  return { apiVersion: known, server: typeof server === 'string' ? server : undefined }
}

function json(text: string): ExecInfo | null {
  try {
    return JSON.parse(text) as ExecInfo | null
  } catch {
    return null
  }
}
