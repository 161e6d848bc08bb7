#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The wire: lookups of 1, 64 and 1,024 fresh ids of a 1,000,000 x 64 float32 table, 4 connections of 8 streams, by
# embd and in turn by what a user would take instead: a plain gRPC C++ server (bench/peers/grpc_server.cc), nghttp2's
# own server with a ready-made file, Redis with MGET. Then embd and gRPC in an open loop. Every server has one core,
# the load the other. Writes the part `wire` of doc/performance.md.
#
#     bench/wire.sh [BUILD]          BUILD: where embd and embctl are (build/release)
#
# The environment may change ROWS, DIM, IDS ("1 64 1024"), RUNS (5), SECONDS_EACH (1.5), CONNECTIONS (4),
# STREAMS (8), MEMORY (map), SERVER_CORE (0), CLIENT_CORE (1), PAGE (doc/performance.md). Installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh
. tools/packages.sh

begin "${1:-}"
need_packages g++ pkg-config protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libgrpc++-dev nghttp2-client \
    nghttp2-server redis-server python3-numpy
nghttpd=$(PATH=$PATH:/usr/sbin command -v nghttpd)
rows=${ROWS:-1000000} dim=${DIM:-64} core=${SERVER_CORE:-0}
peers=$build/bench/peers

# Built once, and again when the sources change.
mkdir -p "$peers"
if [ bench/peers/grpc_server.cc -nt "$peers/grpc_server" ] || [ proto/embd_bulk.proto -nt "$peers/grpc_server" ]; then
    protoc -I proto --cpp_out="$peers" --grpc_out="$peers" --plugin="protoc-gen-grpc=$(command -v grpc_cpp_plugin)" \
        embd_bulk.proto
    # shellcheck disable=SC2046 # lists of words
    g++ -std=c++17 -O2 -I"$peers" -o "$peers/grpc_server" bench/peers/grpc_server.cc "$peers"/embd_bulk*.cc \
        $(pkg-config --cflags --libs grpc++ protobuf)
fi
[ "$peers/redis_load" -nt bench/peers/redis_load.c ] ||
    cc -std=gnu11 -O2 -Wall -Wextra -o "$peers/redis_load" bench/peers/redis_load.c

others=
stop_others()
{
    # shellcheck disable=SC2086 # lists of words
    [ -z "$others" ] || { kill $others && wait $others; } 2>/dev/null || true
    others=
}
trap 'stop_others; finish' EXIT

# start NAME FILE: until FILE has what tells that the server of $! is ready.
started()
{
    others="$others $!"
    until [ -s "$2" ]; do
        kill -0 "$!" 2>/dev/null || { echo "$1 does not start" >&2; exit 1; }
        sleep 0.05
    done
}

make_table "$rows" "$dim"
start_daemon "$core" --workers 1 --table "bench=$table,memory=${MEMORY:-map}"

taskset -c "$core" "$peers/grpc_server" "$table" "$rows" "$dim" >"$work/grpc.port" &
started gRPC "$work/grpc.port"
grpc=$!

free_port()
{
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

mkdir "$work/files"
http_port=$(free_port)
taskset -c "$core" "$nghttpd" --no-tls -a 127.0.0.1 -d "$work/files" --trailer 'grpc-status: 0' "$http_port" \
    >"$work/nghttpd.log" 2>&1 &
others="$others $!"
nghttpd_pid=$!

redis_port=$(free_port)
taskset -c "$core" redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$work" \
    --pidfile "$work/redis.pid" --daemonize no --logfile "$work/redis.log" &
started Redis "$work/redis.log"
redis=$!
for _ in $(seq 100); do
    grep -q 'Ready to accept' "$work/redis.log" && break
    sleep 0.05
done
taskset -c "${CLIENT_CORE:-1}" "$peers/redis_load" load "$redis_port" "$table" "$rows" "$dim"

/usr/bin/python3 bench/wire.py --embctl "$build/embctl" --redis-load "$peers/redis_load" --work "$work" \
    --table "$table" --rows "$rows" --dim "$dim" --ids "${IDS:-1 64 1024}" --runs "${RUNS:-5}" \
    --seconds "${SECONDS_EACH:-1.5}" --connections "${CONNECTIONS:-4}" --streams "${STREAMS:-8}" \
    --memory "${MEMORY:-map}" --embd "$address" --embd-pid "$pid" \
    --grpc "127.0.0.1:$(cat "$work/grpc.port")" --grpc-pid "$grpc" --nghttpd "127.0.0.1:$http_port" \
    --nghttpd-pid "$nghttpd_pid" --redis "$redis_port" --redis-pid "$redis" --core "${CLIENT_CORE:-1}" \
    --page "${PAGE:-doc/performance.md}"
