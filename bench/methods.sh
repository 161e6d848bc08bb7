#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every method on a table of word vectors (GloVe 6B, 100 dimensions) at several ratios: bytes, error, what is left of its
# meaning, time to compress, memory, time to look a row up. Makes doc/methods.md's tables and doc/methods.svg.
#
#     bench/methods.sh [BUILD]            BUILD: where embctl and libembd are (build/release)
#
# The environment may change TABLES ("100k full"), RATIOS ("0.5 0.25 0.1 0.05 0.01"), METHODS (all), WORK (a folder that
# keeps the compressed files, 1 GB or so; what is in its results.jsonl is not done again), DATA (build/data, made by
# tools/data when it is not there), OPTIONS (of compress for every method, such as "--set seconds=60" with METHODS=dhe).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh

build=$(cd "${1:-build/release}" && pwd)
data=${DATA:-build/data}
work=${WORK:-build/methods}
need_packages python3-numpy python3-matplotlib libopenblas0
[ -f "$data/glove/full.npy" ] && [ -f "$data/analogy.txt" ] || tools/data "$data"
mkdir -p "$work"
/usr/bin/python3 bench/methods.py --build "$build" --data "$data" --work "$work" \
    --tables "${TABLES:-100k full}" --ratios "${RATIOS:-0.5 0.25 0.1 0.05 0.01}" --methods "${METHODS:-}" \
    --options "${OPTIONS:-}"
/usr/bin/python3 bench/methods_report.py "$work/results.jsonl" doc/methods.md doc/methods.svg
