#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a cache of decoded rows gives (the option `cache` of a table): ids of real logs, in the order of the log, looked up
# in tables of costly methods with and without one, through the daemon. Hit rates, rows a second, speed-up; beside it the
# most that such a hit rate can give, 1 / (1 - hit rate). Replies of both are compared first. Writes the part `hot` of
# doc/performance.md.
#
#     bench/hot.sh [BUILD]          BUILD: build/release
#
# The logs: kuairand (all 42 fields, in examples/ctr), flights (10 fields, which tools/data gets) and, where EMBD_DATA names a
# folder that has text8_trace/trace.npz, running English text as rows of a table of 341,479 words.
#
# The environment may change LOGS (kuairand flights text8), METHODS (dhe tt mde robe compo), CACHE (5%), IDS (4096 a call),
# RUNS (5), SECONDS_EACH (0.4, of a run without a cache), MOST (3,000,000 ids of a log), SERVER_CORE (0), CLIENT_CORE (1),
# PAGE (doc/performance.md).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh
. tools/packages.sh

begin "${1:-}"
need_packages python3-numpy python3-matplotlib python3-grpcio python3-protobuf
LOGS=${LOGS:-kuairand flights text8}
case $LOGS in *flights*) [ -f build/data/flights/data.npz ] || tools/data build/data flights ;; esac
/usr/bin/python3 bench/hot.py --build "$build" --work "$work" --page "${PAGE:-doc/performance.md}" --logs "$LOGS" \
    --methods "${METHODS:-dhe tt mde robe compo}" --cache "${CACHE:-5%}" --ids "${IDS:-4096}" --runs "${RUNS:-5}" \
    --seconds "${SECONDS_EACH:-0.4}" --most "${MOST:-3000000}" --server-core "${SERVER_CORE:-0}" \
    --client-core "${CLIENT_CORE:-1}"
