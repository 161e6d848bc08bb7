-- SPDX-License-Identifier: Apache-2.0
-- log.db, version 3: counts of lookups.

DROP VIEW changes;

CREATE VIEW changes AS
  -- The log for people. Kinds are those of the table `log`, and 10, counts of lookups: its body is a
  -- BLOB, the table's name and what is added to the frequency of its rows.
  SELECT lsn,
         strftime('%Y-%m-%d %H:%M:%f', time_us / 1e6, 'unixepoch') AS utc,
         CASE kind WHEN 1 THEN 'load' WHEN 2 THEN 'replace' WHEN 3 THEN 'unload'
                   WHEN 4 THEN 'forget' WHEN 5 THEN 'options' WHEN 6 THEN 'push'
                   WHEN 7 THEN 'forget trainer' WHEN 10 THEN 'count' END AS kind,
         CASE WHEN kind < 6 THEN body ->> '$.name' END AS table_name,
         CASE WHEN kind < 6 THEN body ->> '$.generation' END AS generation,
         CASE WHEN kind < 6 THEN body ->> '$.version' END AS version,
         CASE WHEN kind < 6 THEN body ->> '$.registered_by' END AS registered_by,
         CASE WHEN kind < 6 THEN body ->> '$.file' END AS file,
         CASE WHEN kind < 6 THEN body -> '$.options' END AS options,
         trainer,
         sequence,
         CASE WHEN kind IN (6, 10)
              THEN CAST(substr(body, 1, instr(body, x'00') - 1) AS TEXT) END AS tables,
         CASE WHEN kind IN (6, 10) THEN length(body) END AS bytes
  FROM log;
