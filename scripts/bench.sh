#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the benchmarks; times the kernels one by one, features and distances of images, the start of the program, then ours against PyTorch on the same
# network. Arguments go to bench/pytorch/compare.py in place of its usual ones. Ends with 1 when the machine was too busy
# for the comparison to count.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh -DMEDAUG_BENCH=ON
build=build/${PRESET:-release}
folder=$build/bench
python=${BENCH_PYTHON:-.venv/bin/python}
if ! "$python" -c 'import torch' 2>/dev/null; then
  # .venv holds the wheel alone, for its libraries; running it as Python needs what it depends on.
  "$python" -m pip install --quiet torch==2.13.0 ||
    { echo "bench: $python cannot import torch; set BENCH_PYTHON to one that can" >&2; exit 1; }
fi
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore}  # NumPy is not needed
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
if [ -x "$folder/kernel_bench" ]; then
  "$folder/kernel_bench" --benchmark_out="$folder/kernels.json" --benchmark_out_format=json
fi
if [ -x "$folder/evaluation_bench" ]; then
  "$folder/evaluation_bench" --benchmark_filter='efficientnet_features/64|^kid' --benchmark_repetitions=3 \
    --benchmark_report_aggregates_only=true
fi
bench/cold_start.sh "$build/medaug"
if [ $# -eq 0 ]; then
  set -- --compile --neighbour --rounds 5
fi
"$python" bench/pytorch/compare.py --json "$folder/compare.json" "$@" "$folder/step_bench"
