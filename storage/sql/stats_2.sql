-- SPDX-License-Identifier: Apache-2.0
-- stats.db, version 2: pushes, snapshots, refused pushes, the log, and the starts of the daemon.

CREATE TABLE training (
  -- One row a minute and trainable table; when it is old, it is added to the row of its hour.
  seconds          INTEGER NOT NULL, -- how long a time the row counts: 60 or 3600
  start            INTEGER NOT NULL, -- first second of that time, a multiple of `seconds`
  table_id         INTEGER NOT NULL REFERENCES tables,
  -- What happened in that time.
  pushes           INTEGER NOT NULL, -- pushes that changed the table
  ids              INTEGER NOT NULL, -- ids in them, repeats included
  rows             INTEGER NOT NULL, -- different rows in each push, summed over pushes
  skipped          INTEGER NOT NULL, -- unknown ids that were left out
  kept             INTEGER NOT NULL, -- elements that stayed as they were, not to become infinite
  saturated        INTEGER NOT NULL, -- elements cut off at the largest value of their type
  clipped          INTEGER NOT NULL, -- rows whose gradient was shortened to clip_norm
  changed_bytes    INTEGER NOT NULL, -- written to parameters and states of the optimizer
  snapshots        INTEGER NOT NULL, -- snapshots that were finished
  snapshot_bytes   INTEGER NOT NULL, -- size of their files
  save_us          INTEGER NOT NULL, -- the longest of them took, microseconds; 0 if there was none
  save_pause_us    INTEGER NOT NULL, -- and the longest time that one held up pushes
  -- How things stood last in that time.
  version          INTEGER NOT NULL, -- of the table
  snapshot_version INTEGER NOT NULL, -- of the newest snapshot
  snapshot_time    INTEGER NOT NULL, -- when that was taken, 0 if there was none
  memory_bytes     INTEGER NOT NULL, -- of training, beside the table's own
  PRIMARY KEY (seconds, start, table_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusal (
  -- Pushes that were refused: one row a minute, trainer, status and reason, later one an hour.
  seconds INTEGER NOT NULL,
  start   INTEGER NOT NULL,
  trainer TEXT NOT NULL,             -- '' without a trainer, '*' trainers beyond the first hundreds
  status  INTEGER NOT NULL REFERENCES statuses,
  reason  TEXT NOT NULL,             -- one word, such as 'not_finite'
  count   INTEGER NOT NULL,
  PRIMARY KEY (seconds, start, trainer, status, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
  -- log.db: one row a minute, as it was last in it; old ones become one an hour with the peaks.
  seconds      INTEGER NOT NULL,
  start        INTEGER NOT NULL,
  lsn          INTEGER NOT NULL,     -- of the last change
  rows         INTEGER NOT NULL,     -- changes that it holds: older ones are in snapshots
  bytes        INTEGER NOT NULL,     -- of these
  disk_bytes   INTEGER NOT NULL,     -- of its files
  queued_bytes INTEGER NOT NULL,     -- memory of pushes not answered yet; the most that was seen
  PRIMARY KEY (seconds, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE start (
  -- One row for each start of the daemon that came to serve; it goes with the hours of its time.
  id          INTEGER PRIMARY KEY,
  time        INTEGER NOT NULL,      -- when it began
  version     TEXT NOT NULL,         -- of the daemon
  opening_us  INTEGER NOT NULL,      -- from there until it served, microseconds
  replay_us   INTEGER NOT NULL,      -- of which: bringing tables up to date from the log
  replay_rows INTEGER NOT NULL,      -- rows of the log that were read for that
  pushes      INTEGER NOT NULL,      -- of which: pushes that some snapshot did not have
  lsn         INTEGER NOT NULL,      -- where the log ended
  tables      INTEGER NOT NULL,      -- that were registered
  damaged     INTEGER NOT NULL       -- of which: could not be served
) STRICT;

CREATE INDEX start_by_time ON start (time);

CREATE VIEW training_by_minute AS
  SELECT strftime('%Y-%m-%d %H:%M', r.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         r.version AS version,
         r.pushes AS pushes,
         r.ids AS ids,
         r.rows AS rows,
         r.skipped AS skipped,
         r.kept AS kept,
         r.saturated AS saturated,
         r.clipped AS clipped,
         r.changed_bytes AS changed_bytes,
         r.snapshots AS snapshots,
         r.snapshot_bytes AS snapshot_bytes,
         r.save_us AS save_us,
         r.save_pause_us AS save_pause_us,
         r.snapshot_version AS snapshot_version,
         r.memory_bytes AS memory_bytes
  FROM training AS r
  JOIN tables AS t ON t.id = r.table_id
  WHERE r.seconds = 60;

CREATE VIEW training_now AS
  -- The newest minute; what is summed (pushes to write_amplification) is all that is kept.
  WITH now AS (
    SELECT * FROM training
    WHERE seconds = 60 AND start = (SELECT max(start) FROM log WHERE seconds = 60)),
  whole AS (
    SELECT table_id, sum(pushes) AS pushes, sum(kept) AS kept, sum(changed_bytes) AS changed_bytes,
           sum(snapshots) AS snapshots, sum(snapshot_bytes) AS snapshot_bytes,
           max(save_pause_us) AS save_pause_us
    FROM training WHERE table_id IN (SELECT table_id FROM now) GROUP BY table_id)
  SELECT strftime('%Y-%m-%d %H:%M', n.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         n.version AS version,
         n.snapshot_version AS snapshot_version,
         max(0, n.version - n.snapshot_version) AS unsaved_pushes,
         strftime('%Y-%m-%d %H:%M:%S', nullif(n.snapshot_time, 0), 'unixepoch') AS snapshot_utc,
         max(0, strftime('%s', 'now') - nullif(n.snapshot_time, 0)) AS snapshot_age_s,
         w.pushes AS pushes,
         w.kept AS kept,
         w.changed_bytes AS changed_bytes,
         w.snapshots AS snapshots,
         w.snapshot_bytes AS snapshot_bytes,
         round(1.0 * w.snapshot_bytes / nullif(w.changed_bytes, 0), 2) AS write_amplification,
         w.save_pause_us AS longest_pause_us,
         n.memory_bytes AS memory_bytes
  FROM now AS n
  JOIN whole AS w USING (table_id)
  JOIN tables AS t ON t.id = n.table_id
  ORDER BY t.name;

CREATE VIEW refusals AS
  -- All that is kept, one row a trainer, status and reason.
  SELECT CASE r.trainer WHEN '' THEN '(none)' WHEN '*' THEN '(others)' ELSE r.trainer END
           AS trainer,
         s.name AS status,
         r.reason AS reason,
         sum(r.count) AS count,
         strftime('%Y-%m-%d %H:%M', min(r.start), 'unixepoch') AS since_utc,
         strftime('%Y-%m-%d %H:%M', max(r.start + r.seconds), 'unixepoch') AS until_utc
  FROM refusal AS r
  JOIN statuses AS s USING (status)
  GROUP BY r.trainer, r.status, r.reason
  ORDER BY r.trainer, s.name, r.reason;

CREATE VIEW refusals_by_minute AS
  SELECT strftime('%Y-%m-%d %H:%M', r.start, 'unixepoch') AS minute_utc,
         CASE r.trainer WHEN '' THEN '(none)' WHEN '*' THEN '(others)' ELSE r.trainer END
           AS trainer,
         s.name AS status,
         r.reason AS reason,
         r.count AS count
  FROM refusal AS r
  JOIN statuses AS s USING (status)
  WHERE r.seconds = 60;

CREATE VIEW log_now AS
  -- The newest minute.
  SELECT strftime('%Y-%m-%d %H:%M', start, 'unixepoch') AS minute_utc,
         lsn, rows, bytes, disk_bytes, queued_bytes
  FROM log
  WHERE seconds = 60 ORDER BY start DESC LIMIT 1;

CREATE VIEW starts AS
  SELECT strftime('%Y-%m-%d %H:%M:%S', time, 'unixepoch') AS start_utc,
         version, opening_us, replay_us, replay_rows, pushes, lsn, tables, damaged
  FROM start
  ORDER BY id;
