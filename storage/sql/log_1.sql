-- SPDX-License-Identifier: Apache-2.0
-- log.db, version 1: the daemon's one log, and what its rows add up to.
--
-- Comments inside a statement stay in the database, so that `.schema` shows them. 64-bit unsigned
-- numbers are stored as SQLite's signed ones with the same bits.

CREATE TABLE log (
  lsn      INTEGER PRIMARY KEY, -- place in the log: 1, 2, 3, ... without gaps
  kind     INTEGER NOT NULL,    -- 1 load, 2 replace, 3 unload, 4 forget, 5 options
  time_us  INTEGER NOT NULL,    -- when, microseconds since 1970 (UTC)
  checksum INTEGER NOT NULL,    -- XXH3-64 of lsn, kind, time_us (8 bytes each, little-endian), body
  body     ANY NOT NULL         -- what the change made of the table: its row of `tables`, as JSON
) STRICT;

CREATE TABLE tables (
  -- What the log adds up to. A forgotten name stays, so that its next life has another generation.
  name          TEXT PRIMARY KEY,
  state         INTEGER NOT NULL,        -- 1 served, 2 unloaded, 3 forgotten
  lsn           INTEGER NOT NULL UNIQUE, -- of the last change; the body of that row says the same
  time_us       INTEGER NOT NULL,        -- when that was, microseconds since 1970
  generation    INTEGER NOT NULL,        -- which life of the name: 1, 2, 3, ...
  version       INTEGER NOT NULL,        -- at which the file is served
  registered_by INTEGER NOT NULL,        -- 0 configuration, 1 call
  file          TEXT NOT NULL,           -- absolute path
  options       TEXT NOT NULL,           -- JSON object, keys sorted
  device        INTEGER NOT NULL,        -- device to ctime_ns: of the file at its load
  inode         INTEGER NOT NULL,
  size          INTEGER NOT NULL,        -- bytes
  mtime_ns      INTEGER NOT NULL,        -- nanoseconds since 1970
  ctime_ns      INTEGER NOT NULL,        -- nanoseconds since 1970
  checksum      INTEGER NOT NULL,        -- XXH3-64 of the file's data area
  CHECK (state IN (1, 2, 3)),
  CHECK (registered_by IN (0, 1)),
  CHECK (generation > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
  -- Table files that were checked in full. One whose identity is as it was need not be read again.
  number   INTEGER PRIMARY KEY, -- in the order of checking; the oldest are dropped
  device   INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  size     INTEGER NOT NULL,    -- bytes
  mtime_ns INTEGER NOT NULL,    -- nanoseconds since 1970
  ctime_ns INTEGER NOT NULL,    -- nanoseconds since 1970
  checksum INTEGER NOT NULL,    -- XXH3-64 of the file's data area
  seal     INTEGER NOT NULL,    -- XXH3-64 of device to checksum (8 bytes each, little-endian)
  UNIQUE (device, inode)
) STRICT;

CREATE VIEW changes AS
  -- The log for people.
  SELECT lsn,
         strftime('%Y-%m-%d %H:%M:%f', time_us / 1e6, 'unixepoch') AS utc,
         CASE kind WHEN 1 THEN 'load' WHEN 2 THEN 'replace' WHEN 3 THEN 'unload'
                   WHEN 4 THEN 'forget' WHEN 5 THEN 'options' END AS kind,
         body ->> '$.name' AS table_name,
         body ->> '$.generation' AS generation,
         body ->> '$.version' AS version,
         body ->> '$.registered_by' AS registered_by,
         body ->> '$.file' AS file,
         body -> '$.options' AS options
  FROM log;
