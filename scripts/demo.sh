#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The whole chain on made-up data: data set, training (DEMO_MINUTES, default 3), images for unseen masks, a data set
# twice as large, contact sheets. Everything lands in demo/ (DEMO_DIR).
set -euo pipefail
cd "$(dirname "$0")/.."
medaug=build/${PRESET:-release}/medaug
demo=${DEMO_DIR:-demo}
minutes=${DEMO_MINUTES:-3}
started=$SECONDS

step() { printf '\n== %s\n' "$*"; }
run() {
  echo "+ $*"
  "$@"
}

rm -rf "$demo/phantom" "$demo/run" "$demo/generated" "$demo/augmented"
mkdir -p "$demo"

step "1/4 a made-up data set: pictures, masks, captions, grades"
run "$medaug" phantom "$demo/phantom" --count 400 --size 64

step "2/4 training for $minutes minutes"
run "$medaug" train --config configs/tiny.yaml --output "$demo/run" \
  --set "data.train_data=$demo/phantom/train.jsonl" --set "data.val_data=$demo/phantom/val.jsonl" \
  --set "training.max_minutes=$minutes" --set training.validate_every_minutes=1

checkpoint=$demo/run/checkpoints/best_model.safetensors
step "3/4 an image for each mask of the test split, which training never saw"
run "$medaug" generate --checkpoint "$checkpoint" --manifest "$demo/phantom/test.jsonl" --output "$demo/generated"

step "4/4 a training set with as many synthetic images again"
run "$medaug" augment --manifest "$demo/phantom/train.jsonl" --checkpoint "$checkpoint" --output "$demo/augmented" \
  --ratio 1

step "done in $((SECONDS - started)) s. Look at"
find "$demo/run/samples" "$demo/generated" "$demo/augmented" -maxdepth 1 -name '*.png' 2>/dev/null |
  grep -E 'sheet|grid|samples/' | tail -n 6 | sed 's/^/  /'
cat <<END

Next
  $medaug generate --checkpoint $checkpoint --caption "a large bright lesion in the centre of the image" --output $demo/one
  $medaug train --config configs/isic2017_64.yaml      your own manifest: --set data.train_data=FILE.jsonl
  $medaug help                                         everything else

For research only: not for clinical use.
END
