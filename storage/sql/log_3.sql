-- SPDX-License-Identifier: Apache-2.0
-- log.db, version 3: ids that come and go in tables that grow.
--
-- Kinds of rows that version 2 did not have: 8 admit, 9 evict. Their body is a BLOB: the table, its
-- generation and version, keys and rows. Version 2 would take them for damage.

DROP VIEW changes;

CREATE VIEW changes AS
  -- The log for people.
  SELECT lsn,
         strftime('%Y-%m-%d %H:%M:%f', time_us / 1e6, 'unixepoch') AS utc,
         CASE kind WHEN 1 THEN 'load' WHEN 2 THEN 'replace' WHEN 3 THEN 'unload'
                   WHEN 4 THEN 'forget' WHEN 5 THEN 'options' WHEN 6 THEN 'push'
                   WHEN 7 THEN 'forget trainer' WHEN 8 THEN 'admit' WHEN 9 THEN 'evict'
                   END AS kind,
         CASE WHEN kind < 6 THEN body ->> '$.name' END AS table_name,
         CASE WHEN kind < 6 THEN body ->> '$.generation' END AS generation,
         CASE WHEN kind < 6 THEN body ->> '$.version' END AS version,
         CASE WHEN kind < 6 THEN body ->> '$.registered_by' END AS registered_by,
         CASE WHEN kind < 6 THEN body ->> '$.file' END AS file,
         CASE WHEN kind < 6 THEN body -> '$.options' END AS options,
         trainer,
         sequence,
         CASE WHEN kind IN (6, 8, 9)
              THEN CAST(substr(body, 1, instr(body, x'00') - 1) AS TEXT) END AS tables,
         CASE WHEN kind IN (6, 8, 9) THEN length(body) END AS bytes
  FROM log;
