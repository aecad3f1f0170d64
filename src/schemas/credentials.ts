// What `hq-token credential` prints in the formats that are JSON. May touch zod only.
import { z } from 'zod'
import { instant, token } from './parts.js'

/**
 * What `hq-token credential --protocol kubernetes` prints on standard output.
 *
 * @see https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
export const kubernetesSchema = z
  .object({
    apiVersion: z
      .enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'])
      .describe('The version that KUBERNETES_EXEC_INFO asks for; v1 where that is not set.'),
    kind: z.literal('ExecCredential'),
    status: z
      .object({
        expirationTimestamp: instant('When the access token ends'),
        token: token(),
      })
      .describe('What Kubernetes takes from the answer.'),
  })
  .meta({
    title: 'hq-token credential --protocol kubernetes',
    description: 'An ExecCredential of Kubernetes, as an exec plugin of a kubeconfig prints it.',
  })

/** What `kubernetesSchema` reads. */
export type KubernetesCredential = z.infer<typeof kubernetesSchema>

/**
 * What `hq-token credential --protocol bazel get` prints on standard output.
 *
 * @see https://github.com/EngFlow/credential-helper-spec
 */
export const bazelSchema = z
  .object({
    expires: instant('When the access token ends; missing where there are no headers').exactOptional(),
    headers: z
      .object({
        Authorization: z
          .array(z.string().regex(/^Bearer /))
          .length(1)
          .describe(
            '`Bearer` and the access token, which is a secret; missing for any other origin than the API.',
          )
          .exactOptional(),
      })
      .describe('The headers that Bazel puts on its request; none for any other origin than the API.'),
  })
  .meta({
    title: 'hq-token credential --protocol bazel get',
    description: 'The headers for a request, as a credential helper of Bazel prints them.',
  })

/** What `bazelSchema` reads. */
export type BazelCredential = z.infer<typeof bazelSchema>

/**
 * What `hq-token credential --protocol google` prints on standard output, also where it fails.
 *
 * @see https://google.aip.dev/auth/4117
 */
export const googleSchema = z
  .discriminatedUnion('success', [
    z.object({
      version: z.literal(1),
      success: z.literal(true),
      token_type: z
        .enum(['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'])
        .describe('The type that GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE asks for; a JWT where that is not set.'),
      id_token: token(),
      expiration_time: z
        .int()
        .min(0)
        .describe('When the access token ends, in seconds since 1970-01-01 UTC.'),
    }),
    z.object({
      version: z.literal(1),
      success: z.literal(false),
      code: z.string().describe('The code of the error, as in docs/exit-codes.md.'),
      message: z.string().describe('For people; holds no secret.'),
    }),
  ])
  .meta({
    title: 'hq-token credential --protocol google',
    description:
      'An answer of an executable-sourced credential of Google Cloud: a token, or why there is none.',
  })

/** What `googleSchema` reads. */
export type GoogleCredential = z.infer<typeof googleSchema>
