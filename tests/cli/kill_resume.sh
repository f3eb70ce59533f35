#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# kill_resume.sh MEDAUG [KILLS]: a run that is killed (SIGKILL) at random moments and resumed each time must end with
# the same bytes as one that was never stopped.
set -euo pipefail
medaug=$1
kills=${2:-20}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

"$medaug" phantom "$work/data" --kind scan --count 40 --size 32 --quiet >/dev/null
settings=(--set "data.train_data=$work/data/train.jsonl" --set "data.val_data=$work/data/val.jsonl"
  --set data.allow_outside=true --set data.image_size=32 --set model.preset=tiny --set text.dim=32 --set text.layers=1
  --set text.vocabulary=300 --set training.batch_size=4 --set training.num_epochs=0 --set training.max_steps=800
  --set training.optimizer=muon --set training.learning_rate=1e-3 --set training.save_every=7
  --set training.validate_every=25 --set training.validate_every_minutes=0 --set training.sample_every_minutes=0 --set training.sample_count=0)
touch "$work/empty.yaml"
train() { exec "$medaug" train --config "$work/empty.yaml" --output "$1" --quiet "${settings[@]}" "${@:2}"; }
printf 'data:\n  mask_classes: 1\n' >"$work/empty.yaml"

(train "$work/whole") >/dev/null 2>&1
killed=0
resume=()
for ((attempt = 0; attempt < 10 * kills && killed < kills; attempt++)); do
  (train "$work/killed" "${resume[@]}") >/dev/null 2>&1 & # exec: the process id is that of the program
  sleep "$(awk -v r=$RANDOM 'BEGIN { print 0.5 + 1.5 * r / 32768 }')"
  if kill -9 $! 2>/dev/null; then
    killed=$((killed + 1))
  fi
  wait $! 2>/dev/null || true
  [ -e "$work/killed/checkpoints/latest" ] && resume=(--resume)
  [ -e "$work/killed/checkpoints/step-0000800" ] && break
done
(train "$work/killed" "${resume[@]}") >/dev/null 2>&1

for file in step-0000800/model.safetensors best_model.safetensors; do
  if ! cmp "$work/whole/checkpoints/$file" "$work/killed/checkpoints/$file"; then
    echo "0 passed, 1 failed: after $killed kills $file differs"
    exit 1
  fi
done
echo "weights equal byte for byte after $killed kills"
