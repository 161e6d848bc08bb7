#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast the daemon answers lookups: `embctl bench` and h2load in turn, medians of several runs, for
# requests of 1, 64 and 1,024 ids of a 1,000,000 x 64 float32 table. The daemon has one worker on one core,
# the load another core.
#
#     bench/lookup.sh [BUILD]          BUILD: where embd and embctl are (build/release)
#
# The environment may change ROWS, DIM, IDS ("1 64 1024"), RUNS (5), SECONDS_EACH (3), CONNECTIONS (4),
# STREAMS (8), SERVER_CORE (0), CLIENT_CORE (1).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

begin "${1:-}"
command -v h2load >/dev/null || { echo "h2load is missing: install nghttp2-client" >&2; exit 2; }
make_table "${ROWS:-1000000}" "${DIM:-64}"
start_daemon "${SERVER_CORE:-0}" --workers 1 --table "bench=$table"
taskset -c "${CLIENT_CORE:-1}" /usr/bin/python3 bench/compare.py --embctl "$build/embctl" \
    --address "$address" --pid "$pid" --work "$work" --rows "${ROWS:-1000000}" --dim "${DIM:-64}" \
    --ids "${IDS:-1 64 1024}" --runs "${RUNS:-5}" --seconds "${SECONDS_EACH:-3}" \
    --connections "${CONNECTIONS:-4}" --streams "${STREAMS:-8}"
