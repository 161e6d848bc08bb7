-- SPDX-License-Identifier: Apache-2.0
-- stats.db, version 1: what was called, how often, how fast, and what memory it took.
--
-- Comments inside a statement stay in the database, so that `.schema` shows them. Times in the
-- tables are seconds since 1970 (UTC), in the views they are text. People query the views.

CREATE TABLE tables (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE -- '' the process, '?' names that do not exist, '*' calls about no table
) STRICT;

CREATE TABLE calls (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE -- such as 'Lookup'
) STRICT;

CREATE TABLE usage (
  -- One row a minute, table and call; when it is old, it is added to the row of its hour.
  id       INTEGER PRIMARY KEY,
  seconds  INTEGER NOT NULL,    -- how long a time the row counts: 60 or 3600
  start    INTEGER NOT NULL,    -- first second of that time, a multiple of `seconds`
  table_id INTEGER NOT NULL REFERENCES tables,
  call_id  INTEGER NOT NULL REFERENCES calls,
  count    INTEGER NOT NULL,    -- calls, whatever their outcome
  ids      INTEGER NOT NULL,    -- ids asked for
  missing  INTEGER NOT NULL,    -- of which unknown
  sum_us   INTEGER NOT NULL,    -- sum of all latencies, microseconds
  max_us   INTEGER NOT NULL,    -- highest latency, microseconds
  UNIQUE (seconds, start, table_id, call_id)
) STRICT;

CREATE TABLE usage_bucket (
  -- The latencies of a row of `usage`: how many were at least lower_us and below upper_us.
  usage_id INTEGER NOT NULL REFERENCES usage ON DELETE CASCADE,
  lower_us INTEGER NOT NULL,    -- microseconds; exact up to 8, then eight buckets to each doubling
  upper_us INTEGER NOT NULL,    -- microseconds
  count    INTEGER NOT NULL,
  PRIMARY KEY (usage_id, lower_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE statuses (
  status INTEGER PRIMARY KEY,   -- gRPC's number
  name   TEXT NOT NULL
) STRICT;

INSERT INTO statuses VALUES
  (1, 'CANCELLED'), (2, 'UNKNOWN'), (3, 'INVALID_ARGUMENT'), (4, 'DEADLINE_EXCEEDED'),
  (5, 'NOT_FOUND'), (6, 'ALREADY_EXISTS'), (7, 'PERMISSION_DENIED'), (8, 'RESOURCE_EXHAUSTED'),
  (9, 'FAILED_PRECONDITION'), (10, 'ABORTED'), (11, 'OUT_OF_RANGE'), (12, 'UNIMPLEMENTED'),
  (13, 'INTERNAL'), (14, 'UNAVAILABLE'), (15, 'DATA_LOSS'), (16, 'UNAUTHENTICATED');

CREATE TABLE usage_error (
  -- The failed calls of a row of `usage`, by status.
  usage_id INTEGER NOT NULL REFERENCES usage ON DELETE CASCADE,
  status   INTEGER NOT NULL REFERENCES statuses,
  count    INTEGER NOT NULL,
  PRIMARY KEY (usage_id, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory (
  -- One row a minute and table, as it was last in it; old rows become the peaks of their hour.
  seconds         INTEGER NOT NULL, -- 60 or 3600, as in `usage`
  start           INTEGER NOT NULL,
  table_id        INTEGER NOT NULL REFERENCES tables,
  private_bytes   INTEGER NOT NULL, -- memory of its own; of the process: resident
  mapped_bytes    INTEGER NOT NULL, -- mapped from its file
  allocated_bytes INTEGER NOT NULL, -- of the process: by the allocator; 0 if it does not tell
  PRIMARY KEY (seconds, start, table_id)
) STRICT, WITHOUT ROWID;

CREATE VIEW latency_by_minute AS
  -- A percentile is interpolated within its bucket, which is at most 12.5 percent wide. Each is
  -- looked up for its own row, so that a condition on table, call or minute makes a query quick.
  SELECT strftime('%Y-%m-%d %H:%M', u.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         c.name AS call,
         u.count AS count,
         (SELECT coalesce(sum(count), 0) FROM usage_error WHERE usage_id = u.id) AS errors,
         u.ids AS ids,
         u.missing AS missing,
         (SELECT round(1.0 * u.sum_us / sum(count), 1) FROM usage_bucket WHERE usage_id = u.id)
           AS mean_us,
         (SELECT round(min(u.max_us, lower_us + (0.5 * total - below) / count
                                                * (min(upper_us, u.max_us) - lower_us)), 1)
          FROM (SELECT *, sum(count) OVER (ORDER BY lower_us) - count AS below,
                       sum(count) OVER () AS total
                FROM usage_bucket WHERE usage_id = u.id)
          WHERE below + count >= 0.5 * total ORDER BY lower_us LIMIT 1) AS p50_us,
         (SELECT round(min(u.max_us, lower_us + (0.9 * total - below) / count
                                                * (min(upper_us, u.max_us) - lower_us)), 1)
          FROM (SELECT *, sum(count) OVER (ORDER BY lower_us) - count AS below,
                       sum(count) OVER () AS total
                FROM usage_bucket WHERE usage_id = u.id)
          WHERE below + count >= 0.9 * total ORDER BY lower_us LIMIT 1) AS p90_us,
         (SELECT round(min(u.max_us, lower_us + (0.99 * total - below) / count
                                                * (min(upper_us, u.max_us) - lower_us)), 1)
          FROM (SELECT *, sum(count) OVER (ORDER BY lower_us) - count AS below,
                       sum(count) OVER () AS total
                FROM usage_bucket WHERE usage_id = u.id)
          WHERE below + count >= 0.99 * total ORDER BY lower_us LIMIT 1) AS p99_us,
         (SELECT round(min(u.max_us, lower_us + (0.999 * total - below) / count
                                                * (min(upper_us, u.max_us) - lower_us)), 1)
          FROM (SELECT *, sum(count) OVER (ORDER BY lower_us) - count AS below,
                       sum(count) OVER () AS total
                FROM usage_bucket WHERE usage_id = u.id)
          WHERE below + count >= 0.999 * total ORDER BY lower_us LIMIT 1) AS p999_us,
         u.max_us AS max_us
  FROM usage AS u
  JOIN tables AS t ON t.id = u.table_id
  JOIN calls AS c ON c.id = u.call_id
  WHERE u.seconds = 60;

CREATE VIEW latency_by_hour AS
  -- Minutes that are still kept are added up here; older hours are read as they are.
  WITH part AS (
    SELECT id, start - start % 3600 AS hour, table_id, call_id, count, ids, missing, sum_us, max_us
    FROM usage),
  whole AS (
    SELECT hour, table_id, call_id, sum(count) AS count, sum(ids) AS ids, sum(missing) AS missing,
           sum(sum_us) AS sum_us, max(max_us) AS max_us
    FROM part GROUP BY hour, table_id, call_id),
  failed AS (
    SELECT hour, table_id, call_id, sum(f.count) AS errors
    FROM part JOIN usage_error AS f ON f.usage_id = part.id GROUP BY hour, table_id, call_id),
  bucket AS (
    SELECT hour, table_id, call_id, b.lower_us, b.upper_us, sum(b.count) AS count
    FROM part JOIN usage_bucket AS b ON b.usage_id = part.id
    GROUP BY hour, table_id, call_id, b.lower_us),
  ranked AS (
    SELECT *,
           sum(count) OVER (PARTITION BY hour, table_id, call_id ORDER BY lower_us) - count
             AS below,
           sum(count) OVER (PARTITION BY hour, table_id, call_id) AS total
    FROM bucket),
  placed AS (
    SELECT hour, table_id, call_id, r.total, w.max_us, r.lower_us, r.below, r.count,
           (min(r.upper_us, w.max_us) - r.lower_us) * 1.0 / r.count AS step
    FROM ranked AS r JOIN whole AS w USING (hour, table_id, call_id)),
  quantile AS (
    SELECT hour, table_id, call_id, total,
           max(min(max_us, lower_us + (0.5 * total - below) * step))
             FILTER (WHERE below < 0.5 * total AND below + count >= 0.5 * total) AS p50_us,
           max(min(max_us, lower_us + (0.9 * total - below) * step))
             FILTER (WHERE below < 0.9 * total AND below + count >= 0.9 * total) AS p90_us,
           max(min(max_us, lower_us + (0.99 * total - below) * step))
             FILTER (WHERE below < 0.99 * total AND below + count >= 0.99 * total) AS p99_us,
           max(min(max_us, lower_us + (0.999 * total - below) * step))
             FILTER (WHERE below < 0.999 * total AND below + count >= 0.999 * total) AS p999_us
    FROM placed GROUP BY hour, table_id, call_id)
  SELECT strftime('%Y-%m-%d %H:%M', w.hour, 'unixepoch') AS hour_utc,
         t.name AS table_name,
         c.name AS call,
         w.count AS count,
         coalesce(f.errors, 0) AS errors,
         w.ids AS ids,
         w.missing AS missing,
         round(1.0 * w.sum_us / q.total, 1) AS mean_us,
         round(q.p50_us, 1) AS p50_us,
         round(q.p90_us, 1) AS p90_us,
         round(q.p99_us, 1) AS p99_us,
         round(q.p999_us, 1) AS p999_us,
         w.max_us AS max_us
  FROM whole AS w
  JOIN tables AS t ON t.id = w.table_id
  JOIN calls AS c ON c.id = w.call_id
  LEFT JOIN failed AS f USING (hour, table_id, call_id)
  LEFT JOIN quantile AS q USING (hour, table_id, call_id);

CREATE VIEW summary AS
  -- All that is kept, one row a table and call.
  WITH whole AS (
    SELECT table_id, call_id, min(start) AS first, max(start + seconds) AS last,
           sum(count) AS count, sum(ids) AS ids, sum(missing) AS missing,
           sum(sum_us) AS sum_us, max(max_us) AS max_us
    FROM usage GROUP BY table_id, call_id),
  failed AS (
    SELECT table_id, call_id, sum(f.count) AS errors
    FROM usage AS u JOIN usage_error AS f ON f.usage_id = u.id GROUP BY table_id, call_id),
  bucket AS (
    SELECT table_id, call_id, b.lower_us, b.upper_us, sum(b.count) AS count
    FROM usage AS u JOIN usage_bucket AS b ON b.usage_id = u.id
    GROUP BY table_id, call_id, b.lower_us),
  ranked AS (
    SELECT *,
           sum(count) OVER (PARTITION BY table_id, call_id ORDER BY lower_us) - count AS below,
           sum(count) OVER (PARTITION BY table_id, call_id) AS total
    FROM bucket),
  placed AS (
    SELECT table_id, call_id, r.total, w.max_us, r.lower_us, r.below, r.count,
           (min(r.upper_us, w.max_us) - r.lower_us) * 1.0 / r.count AS step
    FROM ranked AS r JOIN whole AS w USING (table_id, call_id)),
  quantile AS (
    SELECT table_id, call_id, total,
           max(min(max_us, lower_us + (0.5 * total - below) * step))
             FILTER (WHERE below < 0.5 * total AND below + count >= 0.5 * total) AS p50_us,
           max(min(max_us, lower_us + (0.9 * total - below) * step))
             FILTER (WHERE below < 0.9 * total AND below + count >= 0.9 * total) AS p90_us,
           max(min(max_us, lower_us + (0.99 * total - below) * step))
             FILTER (WHERE below < 0.99 * total AND below + count >= 0.99 * total) AS p99_us,
           max(min(max_us, lower_us + (0.999 * total - below) * step))
             FILTER (WHERE below < 0.999 * total AND below + count >= 0.999 * total) AS p999_us
    FROM placed GROUP BY table_id, call_id)
  SELECT t.name AS table_name,
         c.name AS call,
         strftime('%Y-%m-%d %H:%M', w.first, 'unixepoch') AS since_utc,
         strftime('%Y-%m-%d %H:%M', w.last, 'unixepoch') AS until_utc,
         w.count AS count,
         coalesce(f.errors, 0) AS errors,
         w.ids AS ids,
         w.missing AS missing,
         round(1.0 * w.sum_us / q.total, 1) AS mean_us,
         round(q.p50_us, 1) AS p50_us,
         round(q.p90_us, 1) AS p90_us,
         round(q.p99_us, 1) AS p99_us,
         round(q.p999_us, 1) AS p999_us,
         w.max_us AS max_us
  FROM whole AS w
  JOIN tables AS t ON t.id = w.table_id
  JOIN calls AS c ON c.id = w.call_id
  LEFT JOIN failed AS f USING (table_id, call_id)
  LEFT JOIN quantile AS q USING (table_id, call_id)
  ORDER BY t.name, c.name;

CREATE VIEW errors_by_minute AS
  SELECT strftime('%Y-%m-%d %H:%M', u.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         c.name AS call,
         s.name AS status,
         f.count AS count
  FROM usage AS u
  JOIN usage_error AS f ON f.usage_id = u.id
  JOIN statuses AS s ON s.status = f.status
  JOIN tables AS t ON t.id = u.table_id
  JOIN calls AS c ON c.id = u.call_id
  WHERE u.seconds = 60;

CREATE VIEW memory_now AS
  -- The newest minute.
  SELECT strftime('%Y-%m-%d %H:%M', m.start, 'unixepoch') AS minute_utc,
         iif(t.name = '', '(process)', t.name) AS table_name,
         m.private_bytes AS private_bytes,
         m.mapped_bytes AS mapped_bytes,
         m.allocated_bytes AS allocated_bytes
  FROM memory AS m
  JOIN tables AS t ON t.id = m.table_id
  WHERE m.seconds = 60 AND m.start = (SELECT max(start) FROM memory WHERE seconds = 60)
  ORDER BY t.name;
