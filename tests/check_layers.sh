#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each folder includes only what stands below it in this list, so the house has no cycles. The client stands
# beside the daemon: it knows neither it nor storage.
set -euo pipefail
cd "${TOP_SRCDIR:-.}"

rank() { # FOLDER: the folders that it may include from
    case $1 in
    base) echo "base" ;;
    kernels) echo "base kernels" ;;
    methods) echo "base kernels methods" ;;
    fits) echo "base kernels methods fits" ;;
    table) echo "base kernels methods table" ;;
    storage) echo "base kernels methods table storage" ;;
    proto) echo "base kernels proto" ;;
    daemon) echo "base kernels methods table storage proto daemon" ;;
    client) echo "base kernels methods fits table proto client" ;;
    esac
}

bad=0 seen=0
for folder in base kernels methods fits table storage proto daemon client; do
    allowed=" $(rank $folder) "
    while IFS=: read -r file line text; do
        target=${text#*\"}
        target=${target%%\"*}
        seen=$((seen + 1))
        case $target in
        */*) [[ $allowed == *" ${target%%/*} "* ]] && continue ;;
        embd.h | embdclient.h | config.h) continue ;;
        esac
        echo "$file:$line: $folder/ must not include \"$target\""
        bad=1
    done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' --include='*.[ch]' --include='*.inc' "$folder" || true)
done
[ "$seen" -gt 50 ] || { echo "only $seen includes found: is this the source folder?"; exit 1; }
[ "$bad" -eq 0 ] && echo "$seen includes, all downwards"
exit "$bad"
