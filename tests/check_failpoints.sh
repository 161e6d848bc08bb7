#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Failpoints have names of one form, each once in the code. With --list: prints them instead, one a line, with
# `fail` behind those that can also fail, and `kill` behind those that only mark a moment.
set -euo pipefail
cd "${TOP_SRCDIR:-.}"

# FILE:NAME KIND for each point; the macro itself is in base/failpoint.h.
points() {
    grep -rLE '^#define FAILPOINT' --include='*.[ch]' base methods table storage proto daemon client | sort |
        xargs perl -0777 -ne 'while (/(\(\s*void\s*\)\s*)?\bFAILPOINT\(\s*(?:"([^"]*)"|([^)]*))\s*\)/g) {
            print "$ARGV:", $2 // "<$3>", " ", $1 ? "kill" : "fail", "\n"; }'
}

if [ "${1:-}" = --list ]; then
    points | sed 's/^[^:]*://' | sort
    exit
fi

bad=0
while read -r place kind; do
    name=${place#*:}
    if ! [[ $name =~ ^[a-z]+(\.[a-z_]+)+$ ]]; then
        echo "${place%%:*}: FAILPOINT(\"$name\"): a name is words joined by dots, in quotes"
        bad=1
    fi
done < <(points)
while read -r name; do
    [ -z "$name" ] && continue
    echo "FAILPOINT(\"$name\") is in the code more than once:"
    points | grep -F ":$name "
    bad=1
done < <(points | sed 's/^[^:]*://; s/ [a-z]*$//' | sort | uniq -d)
[ "$bad" -eq 0 ] && echo "$(points | wc -l) failpoints, each once"
exit "$bad"
