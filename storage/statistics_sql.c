/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of stats.db. */
#include "storage/statistics_parts.h"

#define USAGE "count, ids, missing, sum_us, max_us, hits, misses"
#define MEMORY "private_bytes, mapped_bytes, allocated_bytes, cache_bytes"

/* What happens when the row that is to be added is there. */
#define ADD_USAGE                                                                                  \
    "ON CONFLICT (seconds, start, table_id, call_id) DO UPDATE SET "                               \
    "count = count + excluded.count, ids = ids + excluded.ids, "                                   \
    "missing = missing + excluded.missing, sum_us = sum_us + excluded.sum_us, "                    \
    "max_us = max(max_us, excluded.max_us), hits = hits + excluded.hits, "                         \
    "misses = misses + excluded.misses RETURNING id"
#define ADD_COUNT "DO UPDATE SET count = count + excluded.count"
#define SET_MEMORY                                                                                 \
    "ON CONFLICT (seconds, start, table_id) DO UPDATE SET "                                        \
    "private_bytes = excluded.private_bytes, mapped_bytes = excluded.mapped_bytes, "               \
    "allocated_bytes = excluded.allocated_bytes, cache_bytes = excluded.cache_bytes"
#define RAISE_MEMORY                                                                               \
    "ON CONFLICT (seconds, start, table_id) DO UPDATE SET "                                        \
    "private_bytes = max(private_bytes, excluded.private_bytes), "                                 \
    "mapped_bytes = max(mapped_bytes, excluded.mapped_bytes), "                                    \
    "allocated_bytes = max(allocated_bytes, excluded.allocated_bytes), "                           \
    "cache_bytes = max(cache_bytes, excluded.cache_bytes)"
#define OLD_MEMORY "FROM memory WHERE seconds = 60 AND start < ?1 ORDER BY start, table_id LIMIT ?2"

/* Sums grow, the longest stays the longest, how things stood is what came last: so for the second
   that is added to its minute, and for the minute that is added to its hour. */
#define TRAINING                                                                                   \
    "pushes, ids, rows, skipped, kept, saturated, clipped, changed_bytes, snapshots, "             \
    "snapshot_bytes, save_us, save_pause_us, version, snapshot_version, snapshot_time, "           \
    "memory_bytes, admitted, evicted, crowded, used_rows"
#define ADD_TRAINING                                                                               \
    "ON CONFLICT (seconds, start, table_id) DO UPDATE SET "                                        \
    "pushes = pushes + excluded.pushes, ids = ids + excluded.ids, "                                \
    "rows = rows + excluded.rows, skipped = skipped + excluded.skipped, "                          \
    "kept = kept + excluded.kept, saturated = saturated + excluded.saturated, "                    \
    "clipped = clipped + excluded.clipped, "                                                       \
    "changed_bytes = changed_bytes + excluded.changed_bytes, "                                     \
    "snapshots = snapshots + excluded.snapshots, "                                                 \
    "snapshot_bytes = snapshot_bytes + excluded.snapshot_bytes, "                                  \
    "save_us = max(save_us, excluded.save_us), "                                                   \
    "save_pause_us = max(save_pause_us, excluded.save_pause_us), "                                 \
    "version = excluded.version, snapshot_version = excluded.snapshot_version, "                   \
    "snapshot_time = excluded.snapshot_time, memory_bytes = excluded.memory_bytes, "               \
    "admitted = admitted + excluded.admitted, evicted = evicted + excluded.evicted, "              \
    "crowded = crowded + excluded.crowded, used_rows = excluded.used_rows"
#define OLD_TRAINING                                                                               \
    "FROM training WHERE seconds = 60 AND start < ?1 ORDER BY start, table_id LIMIT ?2"

#define ADD_REFUSAL "ON CONFLICT (seconds, start, trainer, status, reason) " ADD_COUNT
#define OLD_REFUSAL                                                                                \
    "FROM refusal WHERE seconds = 60 AND start < ?1 "                                              \
    "ORDER BY start, trainer, status, reason LIMIT ?2"

#define SET_LOG                                                                                    \
    "ON CONFLICT (seconds, start) DO UPDATE SET lsn = excluded.lsn, rows = excluded.rows, "        \
    "bytes = excluded.bytes, disk_bytes = excluded.disk_bytes, "                                   \
    "queued_bytes = max(queued_bytes, excluded.queued_bytes)"
#define RAISE_LOG                                                                                  \
    "ON CONFLICT (seconds, start) DO UPDATE SET lsn = max(lsn, excluded.lsn), "                    \
    "rows = max(rows, excluded.rows), bytes = max(bytes, excluded.bytes), "                        \
    "disk_bytes = max(disk_bytes, excluded.disk_bytes), "                                          \
    "queued_bytes = max(queued_bytes, excluded.queued_bytes)"
#define OLD_LOG "FROM log WHERE seconds = 60 AND start < ?1 ORDER BY start LIMIT ?2"

const char *const statistics_statements[STATS_STATEMENTS] = {
    [TABLE_ID] = "SELECT id FROM tables WHERE name = ?",
    [TABLE_NEW] = "INSERT INTO tables (name) VALUES (?) RETURNING id",
    [CALL_ID] = "SELECT id FROM calls WHERE name = ?",
    [CALL_NEW] = "INSERT INTO calls (name) VALUES (?) RETURNING id",
    [USAGE_ADD] = "INSERT INTO usage "
                  "(seconds, start, table_id, call_id, " USAGE ") "
                  "VALUES (60, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " ADD_USAGE,
    [BUCKET_ADD] = "INSERT INTO usage_bucket (usage_id, lower_us, upper_us, count) "
                   "VALUES (?, ?, ?, ?) ON CONFLICT (usage_id, lower_us) " ADD_COUNT,
    [ERROR_ADD] = "INSERT INTO usage_error (usage_id, status, count) VALUES (?, ?, ?) "
                  "ON CONFLICT (usage_id, status) " ADD_COUNT,
    [MEMORY_SET] = "INSERT INTO memory "
                   "(seconds, start, table_id, " MEMORY ") "
                   "VALUES (60, ?, ?, ?, ?, ?, ?) " SET_MEMORY,
    [CONTENT_SET] =
        "INSERT OR REPLACE INTO content "
        "(table_id, method, rows, dim, parameter_bytes, work) VALUES (?, ?, ?, ?, ?, ?)",
    [USAGE_OLDEST] = "SELECT id FROM usage WHERE seconds = 60 AND start < ? ORDER BY start LIMIT 1",
    [USAGE_TO_HOUR] = "INSERT INTO usage "
                      "(seconds, start, table_id, call_id, " USAGE ") "
                      "SELECT 3600, start - start % 3600, table_id, call_id, " USAGE " "
                      "FROM usage WHERE id = ? " ADD_USAGE,
    [BUCKETS_TO_HOUR] = "INSERT INTO usage_bucket (usage_id, lower_us, upper_us, count) "
                        "SELECT ?2, lower_us, upper_us, count FROM usage_bucket "
                        "WHERE usage_id = ?1 ON CONFLICT (usage_id, lower_us) " ADD_COUNT,
    [ERRORS_TO_HOUR] = "INSERT INTO usage_error (usage_id, status, count) "
                       "SELECT ?2, status, count FROM usage_error "
                       "WHERE usage_id = ?1 ON CONFLICT (usage_id, status) " ADD_COUNT,
    [USAGE_DROP] = "DELETE FROM usage WHERE id = ?", /* buckets and errors go with it */
    [USAGE_EXPIRED] = "SELECT id FROM usage WHERE seconds = 3600 AND start < ? "
                      "ORDER BY start LIMIT 1",
    [MEMORY_TO_HOUR] =
        "INSERT INTO memory "
        "(seconds, start, table_id, " MEMORY ") "
        "SELECT 3600, start - start % 3600, table_id, " MEMORY " " OLD_MEMORY " " RAISE_MEMORY,
    [MEMORY_DROP_FOLDED] = "DELETE FROM memory WHERE seconds = 60 AND (start, table_id) IN "
                           "(SELECT start, table_id " OLD_MEMORY ")",
    [MEMORY_DROP_EXPIRED] = "DELETE FROM memory WHERE seconds = 3600 AND (start, table_id) IN "
                            "(SELECT start, table_id FROM memory WHERE seconds = 3600 AND "
                            "start < ?1 ORDER BY start, table_id LIMIT ?2)",
    /* ?3: the unit of time that a row of the answer is about, 0 for all; ?4: rows up to which
       length are read. */
    [USAGE_ROWS] = "SELECT iif(?3, u.start - u.start % ?3, 0) AS unit, t.name, c.name, u.id, "
                   "u.start, u.seconds, " USAGE " "
                   "FROM usage AS u JOIN tables AS t ON t.id = u.table_id "
                   "JOIN calls AS c ON c.id = u.call_id "
                   "WHERE u.seconds IN (60, ?4) AND u.start >= ?1 AND u.start < ?2 "
                   "AND (?5 IS NULL OR t.name = ?5) AND (?6 IS NULL OR c.name = ?6) "
                   "ORDER BY unit, t.name, c.name, u.start",
    [USAGE_BUCKETS] = "SELECT lower_us, count FROM usage_bucket WHERE usage_id = ?",
    [USAGE_ERRORS] = "SELECT status, count FROM usage_error WHERE usage_id = ?",
    [MEMORY_ROWS] = "SELECT t.name, max(m.start), " MEMORY
                    " FROM memory AS m JOIN tables AS t ON t.id = m.table_id "
                    "WHERE m.seconds IN (60, 3600) AND m.start >= ?1 AND m.start < ?2 "
                    "GROUP BY t.name ORDER BY t.name",

    [TRAINING_ADD] = "INSERT INTO training (seconds, start, table_id, " TRAINING ") "
                     "VALUES (60, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                     "?) " ADD_TRAINING,
    [TRAINING_TO_HOUR] =
        "INSERT INTO training (seconds, start, table_id, " TRAINING ") "
        "SELECT 3600, start - start % 3600, table_id, " TRAINING " " OLD_TRAINING " " ADD_TRAINING,
    [TRAINING_DROP_FOLDED] = "DELETE FROM training WHERE seconds = 60 AND (start, table_id) IN "
                             "(SELECT start, table_id " OLD_TRAINING ")",
    [TRAINING_DROP_EXPIRED] = "DELETE FROM training WHERE seconds = 3600 AND (start, table_id) IN "
                              "(SELECT start, table_id FROM training WHERE seconds = 3600 AND "
                              "start < ?1 ORDER BY start, table_id LIMIT ?2)",
    [REFUSAL_ADD] = "INSERT INTO refusal (seconds, start, trainer, status, reason, count) "
                    "VALUES (60, ?, ?, ?, ?, ?) " ADD_REFUSAL,
    [REFUSAL_TO_HOUR] = "INSERT INTO refusal (seconds, start, trainer, status, reason, count) "
                        "SELECT 3600, start - start % 3600, trainer, status, reason, "
                        "count " OLD_REFUSAL " " ADD_REFUSAL,
    [REFUSAL_DROP_FOLDED] = "DELETE FROM refusal WHERE seconds = 60 AND "
                            "(start, trainer, status, reason) IN "
                            "(SELECT start, trainer, status, reason " OLD_REFUSAL ")",
    [REFUSAL_DROP_EXPIRED] = "DELETE FROM refusal WHERE seconds = 3600 AND "
                             "(start, trainer, status, reason) IN "
                             "(SELECT start, trainer, status, reason FROM refusal "
                             "WHERE seconds = 3600 AND start < ?1 "
                             "ORDER BY start, trainer, status, reason LIMIT ?2)",
    [LOG_SET] = "INSERT INTO log (seconds, start, lsn, rows, bytes, disk_bytes, queued_bytes) "
                "VALUES (60, ?, ?, ?, ?, ?, ?) " SET_LOG,
    [LOG_TO_HOUR] = "INSERT INTO log (seconds, start, lsn, rows, bytes, disk_bytes, queued_bytes) "
                    "SELECT 3600, start - start % 3600, lsn, rows, bytes, disk_bytes, "
                    "queued_bytes " OLD_LOG " " RAISE_LOG,
    [LOG_DROP_FOLDED] =
        "DELETE FROM log WHERE seconds = 60 AND start IN (SELECT start " OLD_LOG ")",
    [LOG_DROP_EXPIRED] = "DELETE FROM log WHERE seconds = 3600 AND start IN "
                         "(SELECT start FROM log WHERE seconds = 3600 AND start < ?1 "
                         "ORDER BY start LIMIT ?2)",
    [START_ADD] = "INSERT INTO start (time, version, opening_us, replay_us, replay_rows, pushes, "
                  "lsn, tables, damaged) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [START_DROP_EXPIRED] = "DELETE FROM start WHERE id IN "
                           "(SELECT id FROM start WHERE time < ?1 ORDER BY time LIMIT ?2)",
    [TRAINING_ROWS] =
        "SELECT iif(?3, r.start - r.start % ?3, 0) AS unit, t.name, r.start, "
        "r.seconds, " TRAINING " FROM training AS r JOIN tables AS t ON t.id = r.table_id "
        "WHERE r.seconds IN (60, ?4) AND r.start >= ?1 AND r.start < ?2 "
        "AND (?5 IS NULL OR t.name = ?5) ORDER BY unit, t.name, r.start",
    [REFUSAL_ROWS] = "SELECT iif(?3, start - start % ?3, 0) AS unit, min(start), "
                     "max(start + seconds), trainer, status, reason, sum(count) FROM refusal "
                     "WHERE seconds IN (60, ?4) AND start >= ?1 AND start < ?2 "
                     "GROUP BY unit, trainer, status, reason "
                     "ORDER BY unit, trainer, status, reason LIMIT ?5",
};
