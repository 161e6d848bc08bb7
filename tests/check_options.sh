#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every option of daemon/options.def stands in etc/embd.conf with its default and its sentence, in order, and in
# the man page; neither has others. The daemon takes the file with every option made active.
set -euo pipefail
cd "${TOP_SRCDIR:-.}"
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# name|default|sentence, one line an option
printf '#define OPTION(name, type, fallback, least, most, sentence) @name|fallback|sentence\n#include "%s"\n' \
    daemon/options.def | ${CC:-cc} -E -P -I. -x c - | { tr -d '\n' | tr '@' '\n'; echo; } |
    sed -n 's/^\([a-z_]*\)|"\(.*\)"|"\(.*\)"[[:space:]]*$/\1|\2|\3/p' >"$work/declared"

# The same of the file: a comment with the sentence, then "#name = value".
awk '/^# /            { sentence = substr($0, 3); next }
     /^#[a-z_]+ = /   { name = substr($1, 2); value = substr($0, index($0, "= ") + 2)
                        gsub(/^"|"$/, "", value); print name "|" value "|" sentence }' etc/embd.conf \
    >"$work/written"

count=$(wc -l <"$work/declared")
[ "$count" -gt 20 ] || { echo "only $count options found in daemon/options.def"; exit 1; }
diff -u "$work/declared" "$work/written" || { echo "etc/embd.conf and daemon/options.def differ"; bad=1; }

if [ -e doc/embd.conf.5 ]; then
    while IFS='|' read -r name default _; do
        grep -qxF ".It Ic $name" doc/embd.conf.5 ||
            { echo "doc/embd.conf.5 has no entry for $name"; bad=1; }
        [ -z "$default" ] || grep -qxF ".Ql $default ." doc/embd.conf.5 ||
            { echo "doc/embd.conf.5 does not give the default of $name, $default"; bad=1; }
    done <"$work/declared"
fi

# Uncommented, the file is a configuration.
if [ -x "${TOP_BUILDDIR:-.}/embd" ]; then
    sed 's/^#\([a-z_]* = \)/\1/; s/^#\(table words {\)/\1/; s/^#\(    [a-z]* = \)/\1/; s/^#}/}/' etc/embd.conf \
        >"$work/embd.conf"
    "${TOP_BUILDDIR:-.}/embd" --check --config "$work/embd.conf" >/dev/null || bad=1
fi
[ "$bad" -eq 0 ] && echo "$count options, the same in options.def and embd.conf"
exit "$bad"
