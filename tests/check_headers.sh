#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone, and says in its first lines what it is.
set -euo pipefail
cd "${TOP_SRCDIR:-.}"
build=${TOP_BUILDDIR:-$PWD}
flags=$(pkg-config --cflags libevent libnghttp2 libprotobuf-c sqlite3 jansson libxxhash libconfuse openblas lapacke)
bad=0 seen=0
for header in base/*.h kernels/*.h methods/*.h fits/*.h table/*.h storage/*.h proto/*.h daemon/*.h client/*.h client/*/*.h; do
    [ -e "$header" ] || continue
    seen=$((seen + 1))
    # shellcheck disable=SC2086
    if ! printf '#include "%s"\n' "$header" | ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -x c \
        -D_GNU_SOURCE -I. -I"$build" $flags -include "$build/config.h" -; then
        echo "$header does not compile alone"
        bad=1
    fi
    head -n 1 "$header" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
        echo "$header: the first line must name the licence"
        bad=1
    }
done
[ "$seen" -gt 20 ] || bad=1
[ "$bad" -eq 0 ] && echo "$seen headers compile alone"
exit "$bad"
