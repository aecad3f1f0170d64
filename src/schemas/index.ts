/**
 * A schema for every JSON that hq-token prints, by zod. They take keys that they do not know, because new keys may come.
 *
 * @module hq-token/schemas
 */
import { bazelSchema, googleSchema, kubernetesSchema } from './credentials.js'
import { doctorSchema } from './doctor.js'
import { getSchema } from './get.js'
import { historyComparisonSchema, historySchema } from './history.js'
import { logLineSchema } from './log-line.js'
import { statusAllSchema } from './status-all.js'
import { statusSchema } from './status.js'

export { getSchema, type GetOutput } from './get.js'
export { statusSchema, type StatusReport } from './status.js'
export { statusAllSchema, type StatusAllReport } from './status-all.js'
export { doctorSchema, type DoctorReport } from './doctor.js'
export {
  historyComparisonSchema,
  historySchema,
  type HistoryComparison,
  type HistoryReport,
} from './history.js'
export { logLineSchema, type LogLine } from './log-line.js'
export {
  bazelSchema,
  googleSchema,
  kubernetesSchema,
  type BazelCredential,
  type GoogleCredential,
  type KubernetesCredential,
} from './credentials.js'

/** All of them, by the name of their file in `docs/schemas`: `hq-token/schemas/NAME.json`. */
export const schemas = {
  get: getSchema,
  status: statusSchema,
  'status-all': statusAllSchema,
  doctor: doctorSchema,
  history: historySchema,
  'history-comparison': historyComparisonSchema,
  'log-line': logLineSchema,
  'credential-kubernetes': kubernetesSchema,
  'credential-bazel': bazelSchema,
  'credential-google': googleSchema,
} as const
