#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast each method decodes rows, on one thread: tables of 1,000,000 x 64, batches of 4,096 random ids. Beside `full`
# stands a bare loop in C on ordinary and on huge pages; beside others `full`, PyTorch's operators, faiss's decoder, OpenBLAS.
# Both sides of a comparison are checked to give the same rows. Writes the part `rows` of doc/performance.md.
#
#     bench/rows.sh [BUILD]          BUILD: where embctl, libembd and bench/rows are (build/release)
#
# The environment may change ROWS, RUNS (5), SECONDS_EACH (0.2, of a run), METHODS (all; some do not change the page), CORE
# (0), WORK (a folder that keeps the tables, 2 GB or so), PAGE, TORCH_PYTHON (a Python with PyTorch, /usr/bin/python3), and
# PYTHON (one with faiss; without it a virtual environment with faiss-cpu is made in build/faiss).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh
. tools/packages.sh

begin "${1:-}"
make -s -C "$build" bench/rows
need_packages python3-numpy python3-matplotlib libopenblas0
[ -n "${TORCH_PYTHON:-}" ] || need_packages python3-torch
if [ -z "${PYTHON:-}" ]; then
    PYTHON=build/faiss/bin/python
    if ! "$PYTHON" -c 'import faiss' 2>/dev/null; then
        need_packages python3-venv
        mkdir -p build
        /usr/bin/python3 -m venv build/faiss
        build/faiss/bin/pip -q install numpy faiss-cpu
    fi
fi

# Debian's OpenBLAS 0.3.21 takes processors that it does not know for old ones, and its choice is half as fast.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && grep -q avx512f /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=SKYLAKEX
fi
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
mkdir -p "${WORK:=$work}"
/usr/bin/python3 bench/rows.py --build "$build" --work "$WORK" --page "${PAGE:-doc/performance.md}" \
    --rows "${ROWS:-1000000}" --runs "${RUNS:-5}" --seconds "${SECONDS_EACH:-0.2}" --core "${CORE:-0}" \
    --torch-python "${TORCH_PYTHON:-/usr/bin/python3}" --faiss-python "$PYTHON" --methods "${METHODS:-}"
