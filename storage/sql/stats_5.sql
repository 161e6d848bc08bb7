-- SPDX-License-Identifier: Apache-2.0
-- stats.db, version 5: caches of decoded rows.

-- Ids whose row a cache had; ids whose row had to be decoded, with a cache there. 0 without one.
ALTER TABLE usage ADD COLUMN hits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN misses INTEGER NOT NULL DEFAULT 0;
-- Memory of caches of decoded rows.
ALTER TABLE memory ADD COLUMN cache_bytes INTEGER NOT NULL DEFAULT 0;

CREATE VIEW cache_by_minute AS
  -- Tables with a cache: how often it had the row.
  SELECT strftime('%Y-%m-%d %H:%M', u.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         u.hits AS hits,
         u.misses AS misses,
         round(100.0 * u.hits / (u.hits + u.misses), 2) AS hit_percent,
         m.cache_bytes AS cache_bytes
  FROM usage AS u
  JOIN tables AS t ON t.id = u.table_id
  LEFT JOIN memory AS m USING (seconds, start, table_id)
  WHERE u.seconds = 60 AND u.hits + u.misses > 0;

CREATE VIEW cache_by_hour AS
  -- Minutes that are still kept are added up here; memory is the peak of the hour.
  WITH asked AS (
    SELECT start - start % 3600 AS hour, table_id, sum(hits) AS hits, sum(misses) AS misses
    FROM usage GROUP BY hour, table_id HAVING sum(hits + misses) > 0),
  held AS (
    SELECT start - start % 3600 AS hour, table_id, max(cache_bytes) AS cache_bytes
    FROM memory GROUP BY hour, table_id)
  SELECT strftime('%Y-%m-%d %H:%M', a.hour, 'unixepoch') AS hour_utc,
         t.name AS table_name,
         a.hits AS hits,
         a.misses AS misses,
         round(100.0 * a.hits / (a.hits + a.misses), 2) AS hit_percent,
         h.cache_bytes AS cache_bytes
  FROM asked AS a
  JOIN tables AS t ON t.id = a.table_id
  LEFT JOIN held AS h USING (hour, table_id);

DROP VIEW memory_now;
CREATE VIEW memory_now AS
  -- The newest minute.
  SELECT strftime('%Y-%m-%d %H:%M', m.start, 'unixepoch') AS minute_utc,
         iif(t.name = '', '(process)', t.name) AS table_name,
         m.private_bytes AS private_bytes,
         m.mapped_bytes AS mapped_bytes,
         m.allocated_bytes AS allocated_bytes,
         m.cache_bytes AS cache_bytes
  FROM memory AS m
  JOIN tables AS t ON t.id = m.table_id
  WHERE m.seconds = 60 AND m.start = (SELECT max(start) FROM memory WHERE seconds = 60)
  ORDER BY t.name;
