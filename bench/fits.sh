#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whether the fits are at their optimum: each against another computation in the same run, in NumPy, and for product codes
# faiss (where the Python package faiss-cpu is there). Ends with an error if one is further off than it should be.
#
#     bench/fits.sh [BUILD]               BUILD: where embctl is (build/release)
#
# The environment may change TABLE (build/data/glove/100k.npy, made by tools/data when it is not there), METHODS (all that
# have a comparison), PYTHON (/usr/bin/python3).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh

build=$(cd "${1:-build/release}" && pwd)
table=${TABLE:-build/data/glove/100k.npy}
need_packages python3-numpy libopenblas0
[ -f "$table" ] || tools/data build/data
"${PYTHON:-/usr/bin/python3}" bench/fits.py "$build/embctl" "$table" ${METHODS:-}
