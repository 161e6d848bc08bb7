#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast tables learn. Within one process and one thread: a push of 4,096 random ids beside PyTorch's sparse optimizers
# with the same ids, gradients and rows, and beside the lookup of its ids, for every method. Through the daemon: pushes that
# are on disk before they are answered, beside appending and syncing the same bytes; and what full pushing does to lookups.
# Writes the part `pushes` of doc/performance.md.
#
#     bench/pushes.sh [BUILD]        BUILD: where embd, embctl and the programs of bench/ are (build/release)
#
# The environment may change PARTS ("steps methods disk beside"; fewer than all do not change the page), ROWS, DIM, SIZES
# (bytes of a push), RUNS (5), SECONDS_EACH (1.5), TRAINERS (1 and 4), DEPTH (8), OPTIMIZER (adagrad, of the daemon's
# table), WORK (a folder on the disk in question), PAGE, SERVER_CORE (0), CLIENT_CORE (1), TORCH_PYTHON (a Python with
# PyTorch, /usr/bin/python3).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh
. tools/packages.sh

begin "${1:-}"
make -s -C "$build" bench/push_load bench/append_sync bench/push_rows
need_packages python3-numpy python3-matplotlib
[ -n "${TORCH_PYTHON:-}" ] || need_packages python3-torch
parts=${PARTS:-steps methods disk beside}
make_table "${ROWS:-1000000}" "${DIM:-64}"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
case " $parts " in *" disk "* | *" beside "*)
    start_daemon "${SERVER_CORE:-0}" --workers 1 --table "bench=$table,optimizer=${OPTIMIZER:-adagrad}" ;;
esac
/usr/bin/python3 bench/pushes.py --build "$build" --address "${address:-}" --work "$work" --table "$table" \
    --page "${PAGE:-doc/performance.md}" --parts "$parts" --rows "${ROWS:-1000000}" --dim "${DIM:-64}" \
    --sizes "${SIZES:-4096 65536 262144 1048576}" --runs "${RUNS:-5}" --seconds "${SECONDS_EACH:-1.5}" \
    --trainers "${TRAINERS:-1 4}" --depth "${DEPTH:-8}" --core "${CLIENT_CORE:-1}" \
    --torch-python "${TORCH_PYTHON:-/usr/bin/python3}"
