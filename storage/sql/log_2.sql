-- SPDX-License-Identifier: Apache-2.0
-- log.db, version 2: pushes, the positions of trainers, and a log that is deleted from the front.

DROP VIEW changes;

ALTER TABLE log RENAME TO log_1;
CREATE TABLE log (
  lsn      INTEGER PRIMARY KEY, -- place in the log: 1, 2, 3, ... without gaps; see `front`
  kind     INTEGER NOT NULL,    -- 1 load, 2 replace, 3 unload, 4 forget, 5 options, 6 push,
                                -- 7 forget trainer
  time_us  INTEGER NOT NULL,    -- when, microseconds since 1970 (UTC)
  checksum INTEGER NOT NULL,    -- XXH3-64 of lsn, kind, time_us (8 bytes each, little-endian), body
  trainer  TEXT,                -- 6: who pushed, NULL if nobody says; 7: who is forgotten
  sequence INTEGER,             -- 6: the trainer's number of the push; 7: its last one
  body     ANY NOT NULL         -- 1 to 5: what the change made of the table: its row of `tables`, as
                                -- JSON; 6: a BLOB, the tables and what the push is to them, and the
                                -- message as it came; 7: trainer and sequence, as JSON
) STRICT;
INSERT INTO log SELECT lsn, kind, time_us, checksum, NULL, NULL, body FROM log_1;
DROP TABLE log_1;

-- To find an earlier push of a trainer.
CREATE INDEX log_pushes ON log (trainer, sequence) WHERE kind = 6 AND trainer IS NOT NULL;

CREATE TABLE front (
  -- One row: how far the log was deleted. Its rows go on from lsn + 1.
  id       INTEGER PRIMARY KEY,
  lsn      INTEGER NOT NULL, -- of the last row that was deleted, 0 if none was
  checksum INTEGER NOT NULL, -- of that row
  names    INTEGER NOT NULL, -- sum of the XXH3-64 of the names that `tables` and `trainers` had
                             -- then, since nothing else would miss one that is gone
  seal     INTEGER NOT NULL, -- XXH3-64 of lsn, checksum and names (8 bytes each, little-endian)
  CHECK (id = 1)
) STRICT;
INSERT INTO front VALUES (1, 0, 0, 0, 8376124999220038186);

CREATE TABLE trainers (
  -- The last push of each trainer.
  name         TEXT PRIMARY KEY,
  sequence     INTEGER NOT NULL, -- its number
  content_low  INTEGER NOT NULL, -- XXH3-128 of its message: the low 64 bits
  content_high INTEGER NOT NULL, -- and the high ones
  lsn          INTEGER NOT NULL, -- of its row in the log, which may be deleted by now
  time_us      INTEGER NOT NULL, -- when that was, microseconds since 1970
  seal         INTEGER NOT NULL, -- XXH3-64 of sequence to time_us (8 bytes each, little-endian), name
  CHECK (sequence > 0)
) STRICT, WITHOUT ROWID;

ALTER TABLE tables RENAME TO tables_1;
CREATE TABLE tables (
  -- What the log adds up to. A forgotten name stays, so that its next life has another generation.
  name          TEXT PRIMARY KEY,
  state         INTEGER NOT NULL, -- 1 served, 2 unloaded, 3 forgotten
  lsn           INTEGER NOT NULL, -- of the last change; the body of that row says the same
  time_us       INTEGER NOT NULL, -- when that was, microseconds since 1970
  generation    INTEGER NOT NULL, -- which life of the name: 1, 2, 3, ...
  version       INTEGER NOT NULL, -- at which the file is served
  registered_by INTEGER NOT NULL, -- 0 configuration, 1 call
  file          TEXT NOT NULL,    -- absolute path
  options       TEXT NOT NULL,    -- JSON object, keys sorted
  device        INTEGER NOT NULL, -- device to ctime_ns: of the file at its load
  inode         INTEGER NOT NULL,
  size          INTEGER NOT NULL, -- bytes
  mtime_ns      INTEGER NOT NULL, -- nanoseconds since 1970
  ctime_ns      INTEGER NOT NULL, -- nanoseconds since 1970
  checksum      INTEGER NOT NULL, -- XXH3-64 of the file's data area
  trainable     INTEGER NOT NULL, -- 1: it has snapshots of its own, the file was their origin
  header_hash   INTEGER NOT NULL, -- of the file's header, 0 if not known
  seal          INTEGER,          -- XXH3-64 of state to registered_by and device to header_hash (8
                                  -- bytes each, little-endian), then name, file and options, each
                                  -- with a NUL; NULL until the first start after version 1
  CHECK (state IN (1, 2, 3)),
  CHECK (registered_by IN (0, 1)),
  CHECK (trainable IN (0, 1)),
  CHECK (generation > 0)
) STRICT, WITHOUT ROWID;
INSERT INTO tables SELECT name, state, lsn, time_us, generation, version, registered_by, file,
  options, device, inode, size, mtime_ns, ctime_ns, checksum, 0, 0, NULL FROM tables_1;
DROP TABLE tables_1;

CREATE VIEW changes AS
  -- The log for people.
  SELECT lsn,
         strftime('%Y-%m-%d %H:%M:%f', time_us / 1e6, 'unixepoch') AS utc,
         CASE kind WHEN 1 THEN 'load' WHEN 2 THEN 'replace' WHEN 3 THEN 'unload'
                   WHEN 4 THEN 'forget' WHEN 5 THEN 'options' WHEN 6 THEN 'push'
                   WHEN 7 THEN 'forget trainer' END AS kind,
         CASE WHEN kind < 6 THEN body ->> '$.name' END AS table_name,
         CASE WHEN kind < 6 THEN body ->> '$.generation' END AS generation,
         CASE WHEN kind < 6 THEN body ->> '$.version' END AS version,
         CASE WHEN kind < 6 THEN body ->> '$.registered_by' END AS registered_by,
         CASE WHEN kind < 6 THEN body ->> '$.file' END AS file,
         CASE WHEN kind < 6 THEN body -> '$.options' END AS options,
         trainer,
         sequence,
         CASE kind WHEN 6 THEN CAST(substr(body, 1, instr(body, x'00') - 1) AS TEXT) END AS tables,
         CASE kind WHEN 6 THEN length(body) END AS bytes
  FROM log;
