#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Click models trained through embd (examples/ctr): that `full` learns what PyTorch's own tables learn; every method at
# several ratios; where the time of a step goes. All of it takes hours. Makes the tables of doc/training.md and doc/training.svg.
#
#     bench/ctr.sh [BUILD]            BUILD: where embd is (build/release)
#
# The environment may change PARTS ("same tuned methods rates steps"), DATA_SETS ("kuairand flights"), MODELS (of `same`:
# "lr fm deepfm dlrm"), MODEL (of methods and steps: fm), METHODS (all), RATIOS ("0.5 0.1 0.02"), SEEDS ("1 2 3"), STEPS (of
# `rates` and `steps`: 100), BATCH (4096), AT_MOST (seconds that training may take, else it is left out: 3600), OPTIONS (more of
# examples/ctr/train.py), WORK (build/ctr, a folder to work in), DATA
# (build/data, made by tools/data when the flights are not there), PYTHON (/usr/bin/python3), RESULTS (doc/training.jsonl, a line
# for each run; what is in it is not done again).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh

build=$(cd "${1:-build/release}" && pwd)
data=${DATA:-build/data}
work=${WORK:-build/ctr}
sets=${DATA_SETS:-kuairand flights}
python=${PYTHON:-/usr/bin/python3}
[ -n "${PYTHON:-}" ] || need_packages python3-numpy python3-grpcio python3-torch python3-matplotlib
case " $sets " in *" flights "*) [ -f "$data/flights/data.npz" ] || tools/data "$data" flights ;; esac
results=${RESULTS:-doc/training.jsonl}
mkdir -p "$work"
PYTHONPATH=client/python${PYTHONPATH:+:$PYTHONPATH} "$python" bench/ctr.py --build "$build" --data "$data" \
    --work "$work" --parts "${PARTS:-same tuned methods rates steps}" --data-sets "$sets" --models "${MODELS:-lr fm deepfm dlrm}" \
    --model "${MODEL:-fm}" --methods "${METHODS:-}" --ratios "${RATIOS:-0.5 0.1 0.02}" --seeds "${SEEDS:-1 2 3}" \
    --steps "${STEPS:-100}" --batch "${BATCH:-4096}" --at-most "${AT_MOST:-3600}" --options "${OPTIONS:-}" \
    --results "$results"
"$python" bench/ctr_report.py "$results" doc/training.md doc/training.svg
