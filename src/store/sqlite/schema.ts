// The tables of a store and the steps between its versions. Executes nothing.
/** `PRAGMA application_id`, which marks the file as a store of hq-token: "hqtk". */
export const APPLICATION_ID = 0x6871746b

/** "hqmv": a store that a move has closed. Only a move opens it; see `MoveNote`. */
export const MOVE_APPLICATION_ID = 0x68716d76

/** Slots of the history: a new event takes the place of the oldest. */
export const HISTORY_SLOTS = 512
/** Bytes of one history row. */
export const HISTORY_WIDTH = 480

const PAIR = (prefix: string, presence: string): string => `
  ${prefix}access_token TEXT ${presence},
  ${prefix}refresh_token TEXT ${presence},
  ${prefix}token_type TEXT ${presence},
  ${prefix}scope TEXT,
  ${prefix}obtained_at INTEGER ${presence},
  ${prefix}obtained_boot TEXT,
  ${prefix}obtained_uptime INTEGER ${presence},
  ${prefix}lifetime INTEGER ${presence},
  ${prefix}refresh_expires_at INTEGER,`

/**
 * The migrations: step n brings a store from version n to n + 1 (`PRAGMA user_version`). A new version only adds
 * steps, and a step only adds tables, or columns that may be NULL. So neighbouring versions read each other's
 * stores, and no job fails during an update. Only writing migrates to the newest version.
 *
 * The history is a ring of rows that exist from the start, so that writing an event never takes a page.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE token_set (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    sequence INTEGER NOT NULL,
    ${PAIR('', 'NOT NULL')}
    ${PAIR('previous_', '')}
    user TEXT,
    seed TEXT,
    last_refresh_at INTEGER,
    failure_at INTEGER,
    failure_code TEXT,
    failure_message TEXT,
    failures INTEGER NOT NULL,
    backoff_until INTEGER,
    not_before INTEGER,
    refused_at INTEGER,
    intent_attempt INTEGER,
    intent_at INTEGER,
    intent_boot TEXT,
    intent_salvaged TEXT,
    width INTEGER NOT NULL,
    padding BLOB NOT NULL
  ) STRICT;

  CREATE TABLE history (
    slot INTEGER PRIMARY KEY CHECK (slot BETWEEN 0 AND ${HISTORY_SLOTS - 1}),
    sequence INTEGER,
    at INTEGER,
    event TEXT,
    outcome TEXT,
    generation INTEGER,
    access TEXT,
    refresh TEXT,
    note TEXT,
    padding BLOB NOT NULL
  ) STRICT;

  WITH RECURSIVE slots (slot) AS (SELECT 0 UNION ALL SELECT slot + 1 FROM slots WHERE slot < ${HISTORY_SLOTS - 1})
  INSERT INTO history (slot, padding) SELECT slot, zeroblob(${HISTORY_WIDTH - 12}) FROM slots;
  `,
  `
  ALTER TABLE token_set ADD COLUMN host_name TEXT;
  ALTER TABLE token_set ADD COLUMN host_id TEXT;
  ALTER TABLE token_set ADD COLUMN host_boot TEXT;
  ALTER TABLE token_set ADD COLUMN came_from TEXT;
  ALTER TABLE token_set ADD COLUMN came_at INTEGER;
  `,
  'ALTER TABLE token_set ADD COLUMN rejected_at INTEGER;',
  `
  CREATE TABLE login (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL,
    verifier TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    spent TEXT
  ) STRICT;

  CREATE TABLE discovered (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    issuer TEXT NOT NULL,
    authorize_url TEXT,
    token_url TEXT NOT NULL,
    revocation_url TEXT,
    at INTEGER NOT NULL
  ) STRICT;
  `,
  // A `client` is a JSON object (token_url, issuer, client_id), and so is a `holder` (boot, pid_ns, pid, started,
  // until).
  `
  ALTER TABLE token_set ADD COLUMN grant_id TEXT;
  ALTER TABLE token_set ADD COLUMN client TEXT;
  ALTER TABLE token_set ADD COLUMN previous_client TEXT;
  ALTER TABLE token_set ADD COLUMN intent_client TEXT;
  ALTER TABLE token_set ADD COLUMN intent_holder TEXT;
  ALTER TABLE token_set ADD COLUMN failure_client TEXT;
  ALTER TABLE token_set ADD COLUMN bare_since INTEGER;
  ALTER TABLE token_set ADD COLUMN lifetime_guessed INTEGER;
  ALTER TABLE token_set ADD COLUMN previous_lifetime_guessed INTEGER;
  ALTER TABLE token_set ADD COLUMN seed_path TEXT;
  ALTER TABLE token_set ADD COLUMN seed_spent_at INTEGER;
  ALTER TABLE token_set ADD COLUMN seed_marked INTEGER;
  ALTER TABLE history ADD COLUMN grant_id TEXT;
  ALTER TABLE history ADD COLUMN client TEXT;
  ALTER TABLE login ADD COLUMN grant_id TEXT;
  ALTER TABLE login ADD COLUMN client TEXT;
  ALTER TABLE login ADD COLUMN holder TEXT;
  `,
  // The troubles that people are told of. The rows exist from the start, so that a claim never takes a page.
  `
  CREATE TABLE notice (
    kind TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    told INTEGER NOT NULL,
    told_at INTEGER,
    due_at INTEGER NOT NULL,
    claimed_at INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    failed_at INTEGER,
    failure TEXT
  ) STRICT;

  INSERT INTO notice (kind, since, told, due_at)
  VALUES ('login_required', 0, 0, 0), ('failing', 0, 0, 0), ('ending', 0, 0, 0), ('recovered', 0, 0, 0);
  `,
]

export const SCHEMA_VERSION = MIGRATIONS.length

/** `hqse`: the seat of a shared store. */
export const SEAT_APPLICATION_ID = 0x68717365

/** The schema of one kind of file. */
export interface Schema {
  /** Stands in the file's header, so that no kind of file is taken for another. */
  readonly applicationId: number
  /** Stands there instead while a move has closed the file; missing if that is never done. */
  readonly moveApplicationId?: number
  /** For messages: the kind of file. */
  readonly kind: string
  /** Whether a database of other hosts has all that the file has: a damaged one may go. */
  readonly isCopy?: boolean
  /** Each step, in order. */
  readonly migrations: readonly string[]
}

export const STORE_SCHEMA: Schema = {
  applicationId: APPLICATION_ID,
  moveApplicationId: MOVE_APPLICATION_ID,
  kind: 'a store of hq-token',
  migrations: MIGRATIONS,
}
