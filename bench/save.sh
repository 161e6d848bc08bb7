#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a Save costs: a table of 1 GB (parameters and optimizer state), saved while it is pushed to and looked up.
# Prints for each Save its time, how long it held up the writer, the bytes it wrote and what had changed, and the
# lookups' p99 meanwhile.
#
#     bench/save.sh [BUILD]
#
# The environment may change ROWS (2,000,000), DIM (64), SAVES (6), SERVER_CORE (0), CLIENT_CORE (1).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

begin "${1:-}"
make -s -C "$build" bench/push_load
make_table "${ROWS:-2000000}" "${DIM:-64}"
start_daemon "${SERVER_CORE:-0}" --workers 1 --table "bench=$table,optimizer=adagrad" --snapshot-interval 1d \
    --log-save-bytes 100GiB
/usr/bin/python3 bench/save.py --build "$build" --address "$address" --log "$work/log" --rows "${ROWS:-2000000}" \
    --dim "${DIM:-64}" --saves "${SAVES:-6}" --core "${CLIENT_CORE:-1}"
