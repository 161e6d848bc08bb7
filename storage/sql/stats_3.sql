-- SPDX-License-Identifier: Apache-2.0
-- stats.db, version 3: what the tables are, and calls by method.

CREATE TABLE content (
  -- What a table is, as it was last served.
  table_id        INTEGER PRIMARY KEY REFERENCES tables,
  method          TEXT NOT NULL,
  rows            INTEGER NOT NULL,
  dim             INTEGER NOT NULL,
  parameter_bytes INTEGER NOT NULL, -- of the method's tensors
  work            INTEGER NOT NULL  -- multiply-adds for a row, at most
) STRICT;

CREATE VIEW methods AS
  -- Tables that were ever served, by method. All of a table's calls count for the method that it has
  -- now.
  SELECT method,
         count(*) AS tables,
         sum(rows) AS rows,
         sum(parameter_bytes) AS parameter_bytes,
         round(sum(parameter_bytes) / sum(4.0 * rows * dim), 4) AS ratio,
         max(work) AS most_work
  FROM content GROUP BY method ORDER BY method;

CREATE VIEW latency_by_method AS
  -- All that is kept, one row a method and call.
  WITH whole AS (
    SELECT method, call_id, count(DISTINCT table_id) AS tables, sum(count) AS count,
           sum(ids) AS ids, sum(missing) AS missing, sum(sum_us) AS sum_us, max(max_us) AS max_us
    FROM usage JOIN content USING (table_id) GROUP BY method, call_id),
  failed AS (
    SELECT method, call_id, sum(f.count) AS errors
    FROM usage AS u JOIN content USING (table_id) JOIN usage_error AS f ON f.usage_id = u.id
    GROUP BY method, call_id),
  bucket AS (
    SELECT method, call_id, b.lower_us, b.upper_us, sum(b.count) AS count
    FROM usage AS u JOIN content USING (table_id) JOIN usage_bucket AS b ON b.usage_id = u.id
    GROUP BY method, call_id, b.lower_us),
  ranked AS (
    SELECT *,
           sum(count) OVER (PARTITION BY method, call_id ORDER BY lower_us) - count AS below,
           sum(count) OVER (PARTITION BY method, call_id) AS total
    FROM bucket),
  placed AS (
    SELECT method, call_id, r.total, w.max_us, r.lower_us, r.below, r.count,
           (min(r.upper_us, w.max_us) - r.lower_us) * 1.0 / r.count AS step
    FROM ranked AS r JOIN whole AS w USING (method, call_id)),
  quantile AS (
    SELECT method, call_id, total,
           max(min(max_us, lower_us + (0.5 * total - below) * step))
             FILTER (WHERE below < 0.5 * total AND below + count >= 0.5 * total) AS p50_us,
           max(min(max_us, lower_us + (0.99 * total - below) * step))
             FILTER (WHERE below < 0.99 * total AND below + count >= 0.99 * total) AS p99_us
    FROM placed GROUP BY method, call_id)
  SELECT w.method AS method,
         c.name AS call,
         w.tables AS tables,
         w.count AS count,
         coalesce(f.errors, 0) AS errors,
         w.ids AS ids,
         w.missing AS missing,
         round(1.0 * w.sum_us / q.total, 1) AS mean_us,
         round(1.0 * w.sum_us / nullif(w.ids, 0), 3) AS us_an_id,
         round(q.p50_us, 1) AS p50_us,
         round(q.p99_us, 1) AS p99_us,
         w.max_us AS max_us
  FROM whole AS w
  JOIN calls AS c ON c.id = w.call_id
  LEFT JOIN failed AS f USING (method, call_id)
  LEFT JOIN quantile AS q USING (method, call_id)
  ORDER BY w.method, c.name;
