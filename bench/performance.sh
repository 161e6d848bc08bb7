#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All of doc/performance.md: every part measures, compares, and writes its tables and plots into the page.
#
#     bench/performance.sh [BUILD]          BUILD: build/release
#
# PARTS names some of them: wire traffic rows hot pushes growth startup. What each can be told by the environment stands at
# the top of bench/PART.sh. The machine should have nothing else to do; all parts take about an hour.
set -euo pipefail
cd "$(dirname "$0")/.."

for part in ${PARTS:-wire traffic rows hot pushes growth startup}; do
    echo "== $part"
    "bench/$part.sh" "${1:-build/release}"
done
