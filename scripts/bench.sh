#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs every benchmark program.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh -DMEDAUG_BENCH=ON
mapfile -t programs < <(find "build/${PRESET:-release}/bench" -maxdepth 1 -type f -executable -name '*_bench' | sort)
if [ "${#programs[@]}" -eq 0 ]; then
  echo "bench: there is no benchmark program" >&2
  exit 1
fi
for program in "${programs[@]}"; do
  echo "== ${program##*/}"
  "$program"
done
