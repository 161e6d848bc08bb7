-- SPDX-License-Identifier: Apache-2.0
-- stats.db, version 4: ids that come and go in tables that grow.

-- What happened in that time: ids that got a row; ids that lost it; times that an id was due for a row
-- and there was none.
ALTER TABLE training ADD COLUMN admitted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE training ADD COLUMN evicted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE training ADD COLUMN crowded INTEGER NOT NULL DEFAULT 0;
-- Last in that time: rows that are not spare, 0 in a table that does not grow.
ALTER TABLE training ADD COLUMN used_rows INTEGER NOT NULL DEFAULT 0;

CREATE VIEW growth_by_minute AS
  -- Tables that grow: what became of their rows.
  SELECT strftime('%Y-%m-%d %H:%M', r.start, 'unixepoch') AS minute_utc,
         t.name AS table_name,
         r.used_rows AS used_rows,
         r.admitted AS admitted,
         r.evicted AS evicted,
         r.crowded AS crowded
  FROM training AS r
  JOIN tables AS t ON t.id = r.table_id
  WHERE r.seconds = 60 AND r.used_rows + r.admitted + r.evicted + r.crowded > 0;
