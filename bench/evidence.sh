#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The figures of docs/EVIDENCE.md again: does the image obey its mask, is it like real ones, is it a copy, does it help.
#
#   bench/evidence.sh NAME DATA [STAGE ...]
#
# NAME   isic2017 or brain_mri: takes configs/NAME_64.yaml
# DATA   folder with train.jsonl, val.jsonl, test.jsonl; images and masks
# STAGE  some of the stages below, in this order; default: all. About 80 minutes on two cores for isic2017.
#
#   generator  segmenter  agreement  gate            a generator of all training images and masks, and what it makes
#   segmentation  classification  full               does it help those who have few labels; what all labels would give
#   few  few_segmentation                            a generator of the same few labelled images
#   half  half_segmentation                          a generator of all images, but only these few with masks
#
# Environment: OUT (evidence/NAME), LABELLED (40), SEEDS (5), STEPS (300), CLASSIFIER_STEPS (120), MINUTES (20, of the
# generator), FEW_MINUTES (5), HALF_MINUTES (12), ARMS (of the segmentations), MEDAUG (the program). A stage whose output is
# there is not run again.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { sed -n '3,20p' "$0" >&2; exit 2; }
name=$1
data=$(cd "$2" && pwd)
shift 2
[ $# -gt 0 ] || set -- generator segmenter agreement gate segmentation classification full few few_segmentation half half_segmentation
medaug=${MEDAUG:-build/${PRESET:-release}/medaug}
config=configs/${name}_64.yaml
out=${OUT:-evidence/$name}
labelled=${LABELLED:-40}
mkdir -p "$out"
out=$(cd "$out" && pwd)
files=(--set "data.train_data=$data/train.jsonl" --set "data.val_data=$data/val.jsonl" --set data.allow_outside=true)
# Few images: more changes, so that they are not learnt by heart.
changes=(--set augment.probability=0.6 --set augment.rotation_deg=25 --set augment.scale=0.25 --set augment.shift=0.1
  --set augment.contrast=0.15 --set augment.brightness=0.1)

# new FILE_OR_FOLDER COMMAND...: runs the command unless what it makes is there
new() {
  local made=$1
  shift
  [ -e "$made" ] || { echo "$ $*"; "$@"; }
}

# train FOLDER MINUTES OVERRIDES...
train() {
  local folder=$1 minutes=$2
  shift 2
  [ ! -e "$folder/checkpoints/latest" ] || set -- "$@" --resume latest
  new "$folder/finished" "$medaug" train --config "$config" --output "$folder" --set training.max_minutes="$minutes" "$@"
  touch "$folder/finished"
}

# augment FOLDER GENERATOR SEGMENTER MANIFEST COUNT
augment() {
  new "$1/funnel.json" "$medaug" augment --checkpoint "$2" --manifest "$4" --allow-outside --output "$1" --count "$5" \
    --mask-transform affine --gate --reference "$data/val.jsonl" --segmenter "$3"
}

# experiment TASK FOLDER SYNTHETIC GENERATOR_TRAINING OPTIONS...
experiment() {
  local task=$1 folder=$2 synthetic=$3 seen=$4
  shift 4
  mkdir -p "$out/runs" "$folder"
  ln -sfn ../runs "$folder/runs" # arms that several experiments have are trained once
  new "$folder/experiment.json" "$medaug" experiment "$task" --real "$data/train.jsonl" --val "$data/val.jsonl" \
    --test "$data/test.jsonl" --labelled "$labelled" --synthetic "$synthetic" --generator-training "$seen" --allow-outside \
    --output "$folder" --report "$folder/report.html" --seeds "${SEEDS:-5}" "$@"
}

training=(--steps "${STEPS:-300}" --set segmenter.width=16)
segmentation=("${training[@]}" --ratios 10 ${ARMS:+--arms "$ARMS"})
classification=(--steps "${CLASSIFIER_STEPS:-120}" --arms classic,duplicated,synthetic,pretrained --ratios 10)

few_manifest() {
  new "$out/plan/labelled.jsonl" "$medaug" experiment segmentation --real "$data/train.jsonl" --val "$data/val.jsonl" \
    --test "$data/test.jsonl" --labelled "$labelled" --plan --output "$out/plan"
}

few_segmenter() { # sees the labelled images only, so that the gate knows no more than the experiment's arms
  few_manifest
  new "$out/few_segmenter.safetensors" "$medaug" segmenter train --data "$out/plan/labelled.jsonl" --val "$data/val.jsonl" \
    --allow-outside --size 64 --width 16 --steps "${STEPS:-300}" --output "$out/few_segmenter.safetensors"
}

# The labelled lines, each so often that they are a third of all, and every other image without mask and caption.
half_manifest() {
  few_manifest
  new "$out/plan/half.jsonl" python3 - "$out/plan/labelled.jsonl" "$data" "$out/plan/half.jsonl" <<'PYTHON'
import json, os, sys
few, data, out = sys.argv[1:]
few = [json.loads(line) for line in open(few)]
names = {os.path.basename(one["image_path"]) for one in few}
rest = [json.loads(line) for line in open(os.path.join(data, "train.jsonl"))]
rest = [{"image_path": os.path.join(data, one["image_path"]), "caption": "", "mask_path": None} for one in rest
        if os.path.basename(one["image_path"]) not in names]
lines = few * max(1, round(len(rest) / 2 / len(few))) + rest
with open(out, "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in lines)
PYTHON
}

for stage in "$@"; do
  echo "== $stage"
  case $stage in
    generator) train "$out/generator" "${MINUTES:-20}" "${files[@]}" ;;
    segmenter)
      new "$out/segmenter.safetensors" "$medaug" segmenter train --config "$config" --data "$data/train.jsonl" \
        --val "$data/val.jsonl" --output "$out/segmenter.safetensors"
      ;;
    agreement)
      new "$out/val" "$medaug" generate --checkpoint "$out/generator" --manifest "$data/val.jsonl" --output "$out/val"
      new "$out/val.json" "$medaug" evaluate --generated "$out/val" --reference "$data/val.jsonl" --unpaired \
        --training "$data/train.jsonl" --segmenter "$out/segmenter.safetensors" --distribution --audit-copies \
        --output "$out/val.json" --report "$out/val.html" --csv "$out/val.csv"
      ;;
    gate)
      augment "$out/gate" "$out/generator" "$out/segmenter.safetensors" "$data/train.jsonl" 600
      new "$out/gate.json" "$medaug" evaluate --generated "$out/gate/manifest.jsonl" --reference "$data/val.jsonl" --unpaired \
        --training "$data/train.jsonl" --segmenter "$out/segmenter.safetensors" --audit-copies --output "$out/gate.json"
      ;;
    segmentation | classification)
      declare -n settings=$stage
      experiment "$stage" "$out/$stage" "$out/gate/manifest.jsonl" "$data/train.jsonl" "${settings[@]}"
      ;;
    full) # what the labels of all training images would give: the room that there is
      labelled=0 experiment segmentation "$out/full" "$out/gate/manifest.jsonl" "$data/train.jsonl" "${training[@]}" \
        --arms classic
      ;;
    few)
      few_segmenter
      train "$out/few" "${FEW_MINUTES:-5}" "${files[@]}" "${changes[@]}" \
        --set "data.train_data=$out/plan/labelled.jsonl"
      augment "$out/few_gate" "$out/few" "$out/few_segmenter.safetensors" "$out/plan/labelled.jsonl" 400
      ;;
    half)
      few_segmenter
      half_manifest
      train "$out/half" "${HALF_MINUTES:-12}" "${files[@]}" --set "data.train_data=$out/plan/half.jsonl"
      augment "$out/half_gate" "$out/half" "$out/few_segmenter.safetensors" "$out/plan/labelled.jsonl" 400
      ;;
    few_segmentation)
      experiment segmentation "$out/$stage" "$out/few_gate/manifest.jsonl" "$out/plan/labelled.jsonl" \
        "${segmentation[@]}"
      ;;
    half_segmentation)
      experiment segmentation "$out/$stage" "$out/half_gate/manifest.jsonl" "$out/plan/half.jsonl" \
        "${segmentation[@]}"
      ;;
    *)
      echo "evidence: no stage '$stage'" >&2
      exit 2
      ;;
  esac
done
