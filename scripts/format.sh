#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Formats all C++ sources with clang-format 19; --check only names the files that differ.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/venv_tool.sh
tool=$(command -v clang-format-19) || tool=$(venv_tool clang-format 19.1.7)

mapfile -d '' -t files < <(find src include tests bench examples -name '*.cc' -print0 -o -name '*.h' -print0 \
  -o -name '*.cu' -print0 2>/dev/null | sort -z)
if [ "${1:-}" != --check ]; then
  printf '%s\0' "${files[@]}" | xargs -0 "$tool" -i
  exit 0
fi
wrong=$(printf '%s\0' "${files[@]}" | xargs -0 "$tool" --dry-run 2>&1 | sed -n 's/^\([^: ]*\):[0-9].*/\1/p' | sort -u)
if [ -n "$wrong" ]; then
  echo "format: these files are not formatted (run: make format)" >&2
  printf '  %s\n' $wrong >&2
  exit 1
fi
echo "format: ${#files[@]} files, all formatted"
