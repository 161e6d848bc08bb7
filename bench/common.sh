# SPDX-License-Identifier: Apache-2.0
# Sourced by the measurements beside it: a folder that goes away, a table, a daemon on one core.

# begin [BUILD]: find the programs, make the folder.
begin()
{
    build=$(cd "${1:-build/release}" 2>/dev/null && pwd) && [ -x "$build/embd" ] && [ -x "$build/embctl" ] || {
        echo "there is no embd in ${1:-build/release}: build it, or name the build folder" >&2
        exit 2
    }
    work=$(mktemp -d "${TMPDIR:-/tmp}/embd-bench.XXXXXX")
    pid=
    trap finish EXIT
}

stop_daemon()
{
    [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true
    pid=
}

finish()
{
    stop_daemon
    rm -rf "$work"
}

# make_table ROWS DIM: $table
make_table()
{
    table=$work/table.safetensors
    /usr/bin/python3 "$(dirname "$0")/make_table.py" "$table" "$1" "$2"
}

# start_daemon CORE OPTION…: $pid, $address. CORE may be a list, as taskset takes it.
start_daemon()
{
    core=$1
    shift
    rm -rf "$work/data"
    mkdir "$work/data"
    taskset -c "$core" "$build/embd" --data-dir "$work/data" --listen 127.0.0.1:0 --http '' "$@" \
        2>"$work/log" &
    pid=$!
    until grep -q ' ready ' "$work/log"; do
        kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
        sleep 0.05
    done
    address=$(sed -n 's/.* ready .*listen=\([^ ]*\).*/\1/p' "$work/log")
}
