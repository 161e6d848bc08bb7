#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How soon a daemon answers, and what loads do to the lookups of other tables:
#
#   start   from exec to the first right reply, for a table that was served before and whose file is in the page
#           cache, read-only and trainable, of several sizes
#   load    the first load of a file, in GB/s, beside reading the file: into one buffer for memory=map, into new memory
#           for memory=copy
#   beside  p99 of lookups in an open loop, of a table beside one of 1 GB that is loaded and swapped, or saved, all
#           the time, against p99 without
#
#     bench/startup.sh [BUILD]          BUILD: build/release
#
# The environment may change ROWS ("100000 1000000 10000000"), BIG_ROWS (4000000), DIM (64), RUNS (5), SECONDS_EACH (1),
# RATE (5000 calls a second of 64 ids), WHAT ("start load beside"), SERVER_CORE (0), CLIENT_CORE (1), PAGE
# (doc/performance.md; empty: print only).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
. bench/common.sh

need_packages python3-numpy
begin "${1:-}"
make -s -C "$build" bench/read_file
/usr/bin/python3 bench/startup.py --build "$build" --work "$work" --rows "${ROWS:-100000 1000000 10000000}" \
    --big-rows "${BIG_ROWS:-4000000}" --dim "${DIM:-64}" --runs "${RUNS:-5}" --seconds "${SECONDS_EACH:-1}" \
    --rate "${RATE:-5000}" --what "${WHAT:-start load beside}" --server-core "${SERVER_CORE:-0}" \
    --client-core "${CLIENT_CORE:-1}" --page "${PAGE-doc/performance.md}"
