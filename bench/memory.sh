#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the daemon takes of memory to serve a 1,000,000 x 64 float32 table: resident memory, after lookups all
# over the table, against the size of the file. Fails if it is more than 5 percent and 16 MB above the file.
#
#     bench/memory.sh [BUILD]          BUILD: where embd and embctl are (build/release)
#
# The environment may change ROWS, DIM, SECONDS_EACH (3), WORKERS (2).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

begin "${1:-}"
make_table "${ROWS:-1000000}" "${DIM:-64}"
file=$(stat -c %s "$table")
most=$((file + file / 20 + 16000000))
status=0
cores=0-$(($(nproc) - 1))

kilobytes() { awk -v key="$1:" '$1 == key { print $2 * 1024 }' "/proc/$pid/status"; }
megabytes() { awk -v n="$1" 'BEGIN { printf "%.1f MB", n / 1e6 }'; }

printf '%-8s %12s %12s %12s %12s %10s %s\n' memory file resident anonymous mapped over
for memory in map copy; do
    start_daemon "$cores" --workers "${WORKERS:-2}" --table "bench=$table,memory=$memory"
    for format in f32 f16 bf16 int8; do
        "$build/embctl" --server "$address" --json bench --table bench --ids 1024 --format "$format" --warmup 0 \
            --seconds "${SECONDS_EACH:-3}" --connections 4 --streams 4 >/dev/null
    done
    resident=$(kilobytes VmRSS)
    verdict=
    [ "$resident" -le "$most" ] || { verdict='too much'; status=1; }
    printf '%-8s %12s %12s %12s %12s %9s%% %s\n' "$memory" "$(megabytes "$file")" "$(megabytes "$resident")" \
        "$(megabytes "$(kilobytes RssAnon)")" "$(megabytes "$(kilobytes RssFile)")" \
        "$(awk -v r="$resident" -v f="$file" 'BEGIN { printf "%.2f", 100 * (r - f) / f }')" "$verdict"
    stop_daemon
done
exit $status
