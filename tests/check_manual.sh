#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual page of embctl has every command and option that embctl knows, and all pages are well-formed.
set -euo pipefail
source=${TOP_SRCDIR:-.} embctl=${TOP_BUILDDIR:-.}/embctl
bad=0 seen=0
page=$source/doc/embctl.1
commands=$("$embctl" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
for command in $commands; do
    grep -qE "^\.It Ic $command( |$)" "$page" || { echo "embctl.1 has no command $command"; bad=1; }
    section=$(awk -v begin="^\\\\.It Ic $command( |$)" '$0 ~ begin { on = 1; print; next } /^\.It Ic |^\.Sh /{ on = 0 } on' "$page")
    for option in $("$embctl" "$command" --help | sed '/^Options of all commands/,$d' | grep -oE '^ .{2,6}--[a-z-]+' | grep -oE '\-\-[a-z-]+'); do
        seen=$((seen + 1))
        grep -qE "Fl $(sed 's/^-//' <<<"$option")( |$)" <<<"$section" || { echo "embctl.1: $command has no $option"; bad=1; }
    done
done
[ "$seen" -gt 20 ] || { echo "only $seen options found"; bad=1; }
if command -v man >/dev/null; then
    for page in "$source"/doc/*.[1-8]; do
        wrong=$(LC_ALL=C.UTF-8 man --warnings -l "$page" 2>&1 >/dev/null)
        [ -z "$wrong" ] || { echo "$page: $wrong"; bad=1; }
    done
fi
[ "$bad" -eq 0 ] && echo "$seen options, all in the manual"
exit "$bad"
