#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From small to large, one thing at a time: rows of a table (10^5 to 10^8; the largest files are sparse), ids of a call
# (1 to 65,536), connections (1 to 10,000 with calls, and so many idle), tables (1 to 1,000), workers (1 and 2). Curves in
# doc/performance_growth.svg.
#
#     bench/growth.sh [BUILD]          BUILD: build/release
#
# The environment may change ROWS ("100000 1000000 10000000 100000000"), IDS, CONNECTIONS, TABLES (lists, too), DIM (64),
# RUNS (3), SECONDS_EACH (0.7), WHAT ("rows ids connections tables workers"), SERVER_CORE (0), CLIENT_CORE (1), PAGE
# (doc/performance.md; empty: print only). 100,000,000 rows need 26 GB of a file system with sparse files.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
. bench/common.sh

need_packages python3-numpy python3-matplotlib
begin "${1:-}"
ulimit -n "$(ulimit -Hn)"
/usr/bin/python3 bench/growth.py --build "$build" --work "$work" --rows "${ROWS:-100000 1000000 10000000 100000000}" \
    --ids "${IDS:-1 4 16 64 256 1024 4096 16384 65536}" --connections "${CONNECTIONS:-1 10 100 1000 10000}" \
    --tables "${TABLES:-1 10 100 1000}" --dim "${DIM:-64}" --runs "${RUNS:-3}" --seconds "${SECONDS_EACH:-0.7}" \
    --what "${WHAT:-rows ids connections tables workers}" --server-core "${SERVER_CORE:-0}" \
    --client-core "${CLIENT_CORE:-1}" --page "${PAGE-doc/performance.md}"
