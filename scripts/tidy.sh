#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy (rules in .clang-tidy) over the given sources; without arguments over those that differ from origin/main
# (from the last commit where there is none), with --all over every one.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/venv_tool.sh
tool=$(venv_tool clang-tidy 19.1.0)
[ -e build/tidy/compile_commands.json ] || PRESET=tidy CONFIGURE_ONLY=1 scripts/build.sh
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(find src bench tests -name '*.cc' | sort)
elif [ $# -gt 0 ]; then
  files=("$@")
else
  base=$(git rev-parse --quiet --verify origin/main || git rev-parse HEAD)
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.cc')
fi
[ ${#files[@]} -gt 0 ] || { echo "tidy: nothing differs"; exit 0; }
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" "$tool" --quiet -p build/tidy
echo "tidy: ${#files[@]} files, nothing found"
