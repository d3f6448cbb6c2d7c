//! The store's schema and its versions.
//!
//! ```text
//!  sample ──▶ series ──▶ meter, resource   names, each once
//!         ──▶ metadata                     resource_metadata, once by content (SHA-256 of its JSON text)
//! ```
//!
//! The indexes follow the queries: each ends in the timestamp, so that the newest samples of a meter or a resource are read from its
//! end and no further than the limit. `sample_by_resource` carries the meter behind the timestamp instead of before it: a cycle's
//! samples of one resource then share a page, where the other order would write a page per sample; a query with a meter skips the
//! others' entries within the index. `sample_by_meter` carries what statistics need, so that they read nothing else. A project's samples
//! are found by its resources, which the series tell.
//!
//! Foreign keys are not declared: checking them would cost look-ups for each sample. What keeps series and metadata from being deleted
//! before their samples is told in `upkeep`'s head: the columns `kept_until` and the table `upkeep` are for that.

/// "Neph": marks a file as a store of ours.
pub(super) const APPLICATION_ID: i64 = 0x4E65_7068;

/// What the first version made.
pub(super) const V1: &str = "
CREATE TABLE meter    (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE resource (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE project  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE account  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE form (
    id     INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    unit   TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (kind, unit, source)
) STRICT;
CREATE TABLE metadata (
    id     INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL UNIQUE,
    fields TEXT NOT NULL
) STRICT;
CREATE TABLE sample (
    id          INTEGER PRIMARY KEY, -- in the order of insertion
    message_id  ANY NOT NULL,        -- a UUID as 16 bytes, time first; any other text as it is
    meter       INTEGER NOT NULL,
    resource    INTEGER NOT NULL,
    project     INTEGER,
    account     INTEGER,             -- user_id
    form        INTEGER NOT NULL,
    metadata    INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,    -- microseconds since 1970, UTC
    recorded_at INTEGER NOT NULL,    -- the same
    volume      TEXT NOT NULL,       -- the JSON number, to the digit
    amount      REAL NOT NULL        -- the double next to it
) STRICT;
CREATE UNIQUE INDEX sample_by_message ON sample (message_id);
CREATE INDEX sample_by_resource ON sample (resource, timestamp, meter);
CREATE INDEX sample_by_project  ON sample (project, timestamp, meter);
CREATE INDEX sample_by_meter    ON sample (meter, timestamp);
CREATE INDEX sample_by_time     ON sample (timestamp);
";

/// What deletion needs. Nothing of it rewrites a table, so that a large store is migrated in the time of one reading of its metadata.
///
/// `hash` gets another name because a collector of the version before may have the file open: it would go on without keeping
/// what its samples refer to. So its next transaction fails, and so does opening the store anew, as too new; it acknowledges nothing.
pub(super) const V2: &str = "
ALTER TABLE metadata RENAME COLUMN hash TO sha256;
ALTER TABLE metadata ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0; -- samples up to this id may refer to it
ALTER TABLE resource ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0; -- the same
CREATE INDEX metadata_by_end ON metadata (kept_until);
CREATE INDEX resource_by_end ON resource (kept_until);
CREATE TABLE upkeep (
    id         INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
    generation INTEGER NOT NULL,                   -- counts the transactions that deleted metadata or resources
    kept_until INTEGER NOT NULL                    -- what a 0 in the columns of that name stands for
) STRICT;
INSERT INTO upkeep (id, generation, kept_until) SELECT 1, 0, coalesce(max(id), 0) FROM sample;
";

/// Series in place of the names in each sample; one index less, and one that statistics read alone. `migrate` moves the samples.
///
/// A collector of the version before fails with its next transaction, for its columns are gone.
pub(super) const V3: &str = "
CREATE TABLE series (
    id         INTEGER PRIMARY KEY,
    sha256     BLOB NOT NULL UNIQUE, -- of all that follows
    meter      INTEGER NOT NULL,
    resource   INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    unit       TEXT NOT NULL,
    source     TEXT NOT NULL,
    project    TEXT,
    account    TEXT,                 -- user_id
    kept_until INTEGER NOT NULL      -- samples up to this id may refer to it
) STRICT;
CREATE INDEX series_by_meter    ON series (meter);
CREATE INDEX series_by_resource ON series (resource);
CREATE INDEX series_by_project  ON series (project, resource);
CREATE INDEX series_by_end      ON series (kept_until);
DROP INDEX resource_by_end;
ALTER TABLE resource DROP COLUMN kept_until;
ALTER TABLE sample RENAME TO sample_of_names;
DROP INDEX sample_by_message;
DROP INDEX sample_by_resource;
DROP INDEX sample_by_project;
DROP INDEX sample_by_meter;
DROP INDEX sample_by_time;
CREATE TABLE sample (
    id          INTEGER PRIMARY KEY, -- in the order of insertion
    message_id  ANY NOT NULL,        -- a UUID as 16 bytes, time first; any other text as it is
    series      INTEGER NOT NULL,
    meter       INTEGER NOT NULL,    -- the series' own
    resource    INTEGER NOT NULL,    -- the same
    metadata    INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,    -- microseconds since 1970, UTC
    recorded_at INTEGER NOT NULL,    -- the same
    amount      REAL NOT NULL,       -- the double next to the volume
    exact       TEXT                 -- the volume's JSON number, where the double does not tell it
) STRICT;
";

/// Ends the move of the samples.
pub(super) const V3_MOVED: &str = "
DROP TABLE sample_of_names;
DROP TABLE project;
DROP TABLE account;
DROP TABLE form;
CREATE UNIQUE INDEX sample_by_message ON sample (message_id);
CREATE INDEX sample_by_resource ON sample (resource, timestamp, meter);
CREATE INDEX sample_by_meter    ON sample (meter, timestamp, series, amount);
CREATE INDEX sample_by_time     ON sample (timestamp);
";
