#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast the daemon takes pushes, each on disk before it is answered, beside what the disk gives for
# appending and syncing the same bytes; and what full pushing does to lookups.
#
#     bench/push.sh [BUILD]          BUILD: where embd, embctl and bench/push_load are (build/release)
#
# The environment may change ROWS, DIM, SIZES (bytes of a push), RUNS (5), SECONDS_EACH (3), TRAINERS (1 and 4),
# DEPTH (8), OPTIMIZER (adagrad), WORK (a folder on the disk in question), SERVER_CORE (0), CLIENT_CORE (1).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

begin "${1:-}"
make -s -C "$build" bench/push_load bench/append_sync
make_table "${ROWS:-1000000}" "${DIM:-64}"
start_daemon "${SERVER_CORE:-0}" --workers 1 --table "bench=$table,optimizer=${OPTIMIZER:-adagrad}"
/usr/bin/python3 bench/push.py --build "$build" --address "$address" --work "$work" --rows "${ROWS:-1000000}" \
    --dim "${DIM:-64}" --sizes "${SIZES:-4096 65536 262144 1048576}" --runs "${RUNS:-5}" \
    --seconds "${SECONDS_EACH:-3}" --trainers "${TRAINERS:-1 4}" --depth "${DEPTH:-8}" \
    --core "${CLIENT_CORE:-1}"
