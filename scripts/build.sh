#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Configures and builds a preset (PRESET, default release) against LIBTORCH or the LibTorch in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${PRESET:-release}
torch=${LIBTORCH:-$(echo "$PWD"/.venv/lib/python3*/site-packages/torch)}

mkdir -p build
log=build/configure-$preset.log
if ! cmake --preset "$preset" -DMEDAUG_TORCH_DIR="$torch" "$@" >"$log" 2>&1; then
  cat "$log" >&2
  echo "build: CMake could not configure the preset '$preset' (its messages are above)" >&2
  exit 1
fi
[ -z "${CONFIGURE_ONLY:-}" ] || exit 0
cmake --build --preset "$preset" --parallel "${JOBS:-$(nproc)}"
