-- The first form of the database. Times are milliseconds since 1970; ids are 12 bytes.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `partition` and `epoch` are for several nodes on one database; one node has 0 and 0.
-- `matched` is the sequence up to which the caught-up subscriptions have been matched.
CREATE TABLE account (
    no            INTEGER PRIMARY KEY,
    id            BLOB NOT NULL UNIQUE,
    name          TEXT NOT NULL UNIQUE,
    partition     INTEGER NOT NULL DEFAULT 0,
    epoch         INTEGER NOT NULL DEFAULT 0,
    last_sequence INTEGER NOT NULL DEFAULT 0,
    last_received INTEGER NOT NULL DEFAULT 0,
    matched       INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    -- Since when and why the operator keeps it from doing anything.
    suspended_at  INTEGER,
    suspended_why TEXT,
    -- JSON array: what its deliveries may reach beside public addresses.
    allow_destinations TEXT NOT NULL DEFAULT '[]',
    -- Those that are not deleted: counting them out would hold up the writer.
    subscriptions INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How long entries are kept, of accounts for which that is not as for all. `days` NULL: as for all.
CREATE TABLE account_retention (
    account    INTEGER PRIMARY KEY REFERENCES account (no),
    days       INTEGER,
    legal_hold INTEGER NOT NULL
) STRICT;

CREATE TABLE data_key (
    account INTEGER NOT NULL REFERENCES account (no),
    id      INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

-- `place` is account number × 2^40 + sequence, so that an account's log is one run of
-- the table in the order of its sequences, and rows of a few kilobytes stay on leaf pages.
CREATE TABLE entry (
    place       INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    id          TEXT NOT NULL,
    bytes       BLOB NOT NULL
) STRICT;

-- `id_key` is made of account and id so that ids which grow with time stand side by side, and a
-- commit writes few pages; two ids may share one.
CREATE TABLE entry_id (
    id_key BLOB NOT NULL,
    place  INTEGER NOT NULL,
    PRIMARY KEY (id_key, place)
) STRICT, WITHOUT ROWID;

-- `items`: eight bytes each, the sequence and in the highest bit whether it was a duplicate.
CREATE TABLE idempotency (
    account INTEGER NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL,
    items   BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (made_at);

-- `old_hash` is that of the value before the last reset, which works until `old_expires_at`.
-- `member` is who made it: the token itself when no other token did. `kind` is 'personal',
-- 'service' or 'bootstrap', the service token whose value is a setting.
CREATE TABLE token (
    id             BLOB PRIMARY KEY,
    account        INTEGER NOT NULL REFERENCES account (no),
    hash           BLOB NOT NULL UNIQUE,
    ending         TEXT NOT NULL,
    old_hash       BLOB UNIQUE,
    old_expires_at INTEGER,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    "grant"        TEXT NOT NULL,
    kind           TEXT NOT NULL,
    member         BLOB NOT NULL,
    api_version    INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    last_used_at   INTEGER,
    expires_at     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_list ON token (account, created_at, id);

-- Programs that send entries and cannot send a token. `id` stands in the address that they send
-- to; `secret`, sealed, signs what they send.
CREATE TABLE ingest_source (
    id         BLOB PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account (no),
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    secret     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ingest_source_list ON ingest_source (account, created_at, id);

-- `start` is the sequence before the first one that the subscription judges; NULL until
-- it is first switched on. `asked_start` is where it then starts, if that was asked for.
-- `deleted_at` freezes the row: its ledger outlives it.
CREATE TABLE subscription (
    id          BLOB PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES account (no),
    integration TEXT NOT NULL,
    name        TEXT NOT NULL,
    is_on       INTEGER NOT NULL,
    tags        TEXT NOT NULL,
    statements  TEXT NOT NULL,
    config      BLOB NOT NULL,
    extra       TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    start       INTEGER,
    asked_start INTEGER,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deleted_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_list ON subscription (account, integration, created_at) WHERE deleted_at IS NULL;
CREATE TRIGGER subscription_made AFTER INSERT ON subscription BEGIN
    UPDATE account SET subscriptions = subscriptions + 1 WHERE no = NEW.account;
END;
CREATE TRIGGER subscription_deleted AFTER UPDATE OF deleted_at ON subscription
WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL BEGIN
    UPDATE account SET subscriptions = subscriptions - 1 WHERE no = NEW.account;
END;

-- Which statements judged what: the progress of the subscription when each revision began.
CREATE TABLE revision (
    subscription BLOB NOT NULL,
    revision     INTEGER NOT NULL,
    statements   TEXT NOT NULL,
    is_on        INTEGER NOT NULL,
    frontier     INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    made_at      INTEGER NOT NULL,
    PRIMARY KEY (subscription, revision)
) STRICT, WITHOUT ROWID;

-- How far a subscription is. `frontier` NULL: caught up, it stands where its account's
-- `matched` stands. `unsettled_from` is the first entry without a fate; NULL: caught up. `detail`
-- is the delivery engine's own text: what is unsettled below the frontier, holds, health, the
-- last failures. `attempts` is the number of its newest attempt. `filtered_after_match` counts
-- entries that the policy wanted when they were first judged and that were filtered later;
-- filtered at once is the rest.
CREATE TABLE progress (
    subscription         BLOB PRIMARY KEY,
    account              INTEGER NOT NULL,
    frontier             INTEGER,
    unsettled_from       INTEGER,
    delivered            INTEGER NOT NULL,
    skipped              INTEGER NOT NULL,
    dead                 INTEGER NOT NULL,
    filtered_after_match INTEGER NOT NULL,
    detail               TEXT NOT NULL,
    attempts             INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_unsettled ON progress (account, unsettled_from);

-- Entries that were passed over, as runs of sequences that do not touch or have other reasons.
-- Those of which a copy is kept stand in `dead_letter`.
CREATE TABLE skipped (
    subscription BLOB NOT NULL,
    first        INTEGER NOT NULL,
    last         INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    skipped_at   INTEGER NOT NULL,
    PRIMARY KEY (subscription, first)
) STRICT, WITHOUT ROWID;

-- Copies of entries that were settled and not delivered: `fate` is 'dead', refused for good, or
-- 'skipped', passed over as the manifest says. `job`: the redelivery that has claimed it.
CREATE TABLE dead_letter (
    subscription BLOB NOT NULL,
    sequence     INTEGER NOT NULL,
    fate         TEXT NOT NULL,
    entry_id     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    died_at      INTEGER NOT NULL,
    job          BLOB,
    bytes        BLOB NOT NULL,
    PRIMARY KEY (subscription, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letter_claimed ON dead_letter (job, sequence) WHERE job IS NOT NULL;

-- Replays ('replay': the entries of the log from `first` to `last`) and redeliveries
-- ('redelivery': the dead letters that name it). `frontier` and `detail` as in `progress`.
-- `made_by` NULL: the server itself.
CREATE TABLE job (
    no           INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,
    account      INTEGER NOT NULL REFERENCES account (no),
    subscription BLOB NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    first        INTEGER NOT NULL,
    last         INTEGER NOT NULL,
    total        INTEGER NOT NULL,
    frontier     INTEGER NOT NULL,
    accepted     INTEGER NOT NULL DEFAULT 0,
    refused      INTEGER NOT NULL DEFAULT 0,
    filtered     INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    detail       TEXT NOT NULL DEFAULT '',
    made_at      INTEGER NOT NULL,
    made_by      TEXT,
    ended_at     INTEGER
) STRICT;
CREATE INDEX job_list ON job (subscription, no);
CREATE INDEX job_running ON job (account, subscription, no) WHERE state = 'running';

-- The attempts that one flush of the journal brought of a subscription: `count` of them, numbered
-- from `first` on, packed by the delivery engine; the last one ended at `ended_at`.
CREATE TABLE attempt (
    subscription BLOB NOT NULL,
    first        INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    packed       BLOB NOT NULL,
    PRIMARY KEY (subscription, first)
) STRICT, WITHOUT ROWID;

-- What lasts and was told: conditions of subscriptions such as 'suspended', each with the entries
-- that tell of it. A row stays for a day after its end. `sequence` is where the newest of its
-- entries stands, `started_at` when the first of them was made, `told_at` when the newest was.
CREATE TABLE condition (
    subscription BLOB NOT NULL,
    kind         TEXT NOT NULL,
    account      INTEGER NOT NULL REFERENCES account (no),
    since        INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    told_at      INTEGER NOT NULL,
    ended_at     INTEGER,
    sequence     INTEGER NOT NULL,
    PRIMARY KEY (subscription, kind)
) STRICT, WITHOUT ROWID;

-- The files of integrations as they were loaded, so that subscriptions made under them can be
-- read when a folder is gone. `place` grows: the highest of a key is its newest version.
CREATE TABLE integration_version (
    key     TEXT NOT NULL,
    version TEXT NOT NULL,
    files   TEXT NOT NULL,
    place   INTEGER NOT NULL,
    PRIMARY KEY (key, version)
) STRICT, WITHOUT ROWID;
