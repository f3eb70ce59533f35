#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the tests of a built preset and ends with "N passed, N failed". Fast ones; with SLOW=1 the slow ones
# too, with GPU=1 those that need a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/${PRESET:-release}
excluded='browser'
[ -n "${SLOW:-}" ] || excluded="$excluded|slow"
[ -n "${GPU:-}" ] || excluded="$excluded|gpu"

rm -rf "$build/test-results"
mkdir -p "$build/test-results"
status=0
GTEST_OUTPUT="xml:$PWD/$build/test-results/" ctest --test-dir "$build" --label-exclude "$excluded" \
  --parallel "${JOBS:-$(nproc)}" --output-on-failure --output-junit "$PWD/$build/test-results.xml" || status=$?
python3 scripts/count_tests.py "$build/test-results.xml" "$build/test-results" || status=1
exit "$status"
