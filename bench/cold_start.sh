#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Seconds from the shell to the first image of the preset `small` at 64 x 64, and to the help: medians of nine.
#   cold_start.sh PROGRAM
set -euo pipefail
medaug=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$medaug" phantom "$folder/data" --count 16 --quiet > "$folder/log"
cat > "$folder/small.yaml" <<YAML
data: {train_data: "$folder/data/train.jsonl", image_size: 64, mask_classes: 2, allow_outside: true}
model: {preset: small}
training: {max_steps: 1, batch_size: 4, sample_count: 0}
output: {folder: "$folder/run"}
YAML
"$medaug" train --config "$folder/small.yaml" --quiet >> "$folder/log"
median() {
  for i in 1 2 3 4 5 6 7 8 9; do
    begin=$(date +%s.%N)
    "$@" >> "$folder/log"
    date +%s.%N | awk -v begin="$begin" '{print $1 - begin}'
  done | sort -n | sed -n 5p
}
first_image() {
  rm -rf "$folder/image"
  "$medaug" generate --checkpoint "$folder/run" --caption "a lesion" --output "$folder/image" --quiet
}
printf 'first image of small: %.2f s\n' "$(median first_image)"
printf 'help: %.3f s\n' "$(median "$medaug" --help)"
