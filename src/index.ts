/**
 * hq-token as a library: the guard, what it is made of, and the errors it throws.
 *
 * @module hq-token
 */
import './core/node-version.js' // Before all else.
export { TokenGuard } from './core/guard.js'
export type {
  AccessToken,
  AdoptOptions,
  Refreshed,
  RefreshOptions,
  TokenGuardOptions,
} from './core/guard-options.js'
export type { Adopted } from './core/seed-import.js'
export { openGuard, type OpenGuardOptions } from './wiring/open-guard.js'
export { expiryPolicy, type Ask, type Early, type ExpiryPolicy } from './core/policy.js'
export { machineHost } from './platform/host.js'
export { machineClock } from './platform/machine.js'
export { Secret } from './core/secret.js'
export type { Client, NamedClient } from './core/client.js'
export type { Host } from './core/host.js'
export type { Clock, ClockReading } from './core/clock.js'
export type {
  Failure,
  Holder,
  Intent,
  Origin,
  Seed,
  SeedFile,
  SpentSeed,
  TokenPair,
  TokenSet,
} from './core/token-set.js'
export type {
  AuthorizationServer,
  CodeGrant,
  Discovered,
  Pins,
  Marking,
  Notice,
  RawAnswer,
  Reading,
  RequestLimits,
  SeedMarks,
  SeedSource,
  Words,
} from './core/ports.js'
export type {
  Counters,
  ExclusiveOptions,
  HeldStore,
  Landed,
  HistoryEntry,
  PendingLogin,
  Rescued,
  RescueFile,
  Sharing,
  TokenStore,
} from './core/store-ports.js'
export {
  ClientRefused,
  ConfigInvalid,
  Exit,
  LockTimeout,
  LoginRequired,
  OtherClient,
  OutcomeUnknown,
  SeedInvalid,
  ServerUnavailable,
  StoreBusy,
  StoreUnreachable,
  StoreUnusable,
  TokenError,
  UsageError,
  type ErrorCode,
  type ErrorDetails,
  type ExitCode,
} from './core/errors.js'
