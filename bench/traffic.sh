#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A ranking service's calls: 1,000 candidates, one id of each of 26 features for every candidate, so 26,000 rows of 26
# tables a call. The tables have the sizes of the Criteo advertising log's features, the large ones scaled so that all
# take 10 GB at dim 64. Ids follow Zipf's law and are new in every call. Beside it, in turn, the same transport with
# ready-made replies of the same size: nghttpd with a file, asked by h2load with a body of the request's size.
# Then the same number of ids in bags of 1 to 50, and p99 in an open loop at 70 percent of each best rate.
#
#     bench/traffic.sh [BUILD]          BUILD: build/release
#
# The environment may change BYTES (10e9, of all tables), CANDIDATES (1000), EXPONENT (1.05), MEMORY (copy), FORMATS
# ("f32 f16 int8"), RUNS (5), SECONDS_EACH (1.5), CONNECTIONS (2), STREAMS (2), MOST_CALLS (1200: a second, for
# which there are new ids), SERVER_CORE (0), CLIENT_CORE (1), PAGE (doc/performance.md; empty: print only). It needs BYTES of room where TMPDIR is, and as much memory.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
. bench/common.sh

need_packages python3-numpy nghttp2-server nghttp2-client
begin "${1:-}"
/usr/bin/python3 bench/traffic.py --build "$build" --work "$work" --bytes "${BYTES:-10e9}" --candidates "${CANDIDATES:-1000}" \
    --exponent "${EXPONENT:-1.05}" --memory "${MEMORY:-copy}" --formats "${FORMATS:-f32 f16 int8}" --runs "${RUNS:-5}" \
    --seconds "${SECONDS_EACH:-1.5}" --connections "${CONNECTIONS:-2}" --streams "${STREAMS:-2}" \
    --most-calls "${MOST_CALLS:-1200}" \
    --server-core "${SERVER_CORE:-0}" --client-core "${CLIENT_CORE:-1}" --page "${PAGE-doc/performance.md}"
