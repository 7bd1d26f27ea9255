-- The index of the log for searches. All of it follows from the log and can be built anew.
-- Times are milliseconds since 1970; `place` is that of the log.

-- How far each account is indexed, and the id of the entry that stands there.
CREATE TABLE account (
    no      INTEGER PRIMARY KEY,
    indexed INTEGER NOT NULL,
    id      TEXT NOT NULL
) STRICT;

-- `rank` is the date of the event × 2^15 + a number, so that ranks sort by date and, among the
-- entries of an account with one date, by sequence. Some entries of one date may share a rank.
CREATE TABLE entry (
    rank  INTEGER NOT NULL,
    place INTEGER NOT NULL,
    topic INTEGER NOT NULL,
    actor INTEGER,
    PRIMARY KEY (rank, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_place ON entry (place);

-- For each rank the accounts, topics and actors of its entries, as `a1 t2 w3`.
CREATE VIRTUAL TABLE entry_term USING fts5 (
    terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- What entries are about, each once for all entries about the same. `hash` is of the text.
CREATE TABLE topic (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    reduced TEXT NOT NULL
) STRICT;
CREATE INDEX topic_hash ON topic (hash);

-- For each topic its account and the words by which it is found.
CREATE VIRTUAL TABLE topic_term USING fts5 (
    terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Who made changes.
CREATE TABLE actor (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    member  TEXT,
    token   TEXT
) STRICT;
CREATE INDEX actor_member ON actor (account, member, token);
CREATE INDEX actor_token ON actor (account, token);

-- How many entries happened in each span of `width`; `number` is the time divided by it.
CREATE TABLE span (
    account INTEGER NOT NULL,
    width   INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (account, width, number)
) STRICT, WITHOUT ROWID;
