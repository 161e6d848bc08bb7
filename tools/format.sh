#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Format all C sources as .clang-format says.
set -eu
cd "$(dirname "$0")/.."
git ls-files '*.c' '*.h' '*.inc' | xargs clang-format -i
