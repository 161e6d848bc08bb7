#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target once on every file of its folder fuzz/TARGET.in: seeds, and inputs that once
# crashed it.
set -eu
for folder in "$TOP_SRCDIR"/fuzz/*.in; do
    target=$(basename "$folder" .in)
    echo "$target"
    # libFuzzer, if it is what was built, needs to be told to end; our own main knows no options.
    if "$TOP_BUILDDIR/fuzz/$target" -help=1 2>&1 | grep -q libFuzzer; then
        "$TOP_BUILDDIR/fuzz/$target" -runs=0 "$folder"
    else
        "$TOP_BUILDDIR/fuzz/$target" "$folder"
    fi
done
