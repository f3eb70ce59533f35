#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Does a LoRA of rank 8 teach an imported backbone to obey masks? A tiny lineage: an AutoencoderKL trained with diffusers, a
# Gemma and a backbone of random weights. The backbone is trained on images and captions without masks, goes out in
# Lumina-Next's form and comes back with mask planes; then adapters and mask layers are trained. What both make for the
# held-out masks is judged by a segmenter of real images.
#
#   bench/lineage_masks.sh DATA SEGMENTER    folder of brain_mri; what `medaug segmenter train` made of it
#
# Environment: OUT (evidence/lineage), PYTHON (with torch and diffusers), VAE_MINUTES (4), MINUTES (8, of the backbone),
# LORA_MINUTES (5), BUILD (build/release). About 20 minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 2 ] || { sed -n '3,13p' "$0" >&2; exit 2; }
data=$(cd "$1" && pwd)
segmenter=$2
build=${BUILD:-build/release}
medaug=$build/medaug
out=${OUT:-evidence/lineage}
mkdir -p "$out"
out=$(cd "$out" && pwd)

# train FOLDER INIT MINUTES OVERRIDES...
train() {
  local folder=$1 init=$2 minutes=$3
  shift 3
  "$medaug" train --config configs/brain_mri_64.yaml --init "$init" --output "$folder" --set training.max_minutes="$minutes" \
    --set "data.train_data=$data/train.jsonl" --set "data.val_data=$data/val.jsonl" --set data.allow_outside=true \
    --set data.channels=3 --set sampling.preset=lumina --set guidance.text=1 "$@"
}

# whole BACKBONE FOLDER OPTIONS...
whole() {
  local backbone=$1 folder=$2
  shift 2
  "$medaug" convert "$backbone" --to medaug --output "$folder" --vae "$out/vae" --text-encoder "$out/gemma" --image-size 64 "$@"
}

# judge NAME CHECKPOINT OPTIONS...
judge() {
  local name=$1 checkpoint=$2
  shift 2
  "$medaug" generate --checkpoint "$checkpoint" --manifest "$data/val.jsonl" --allow-outside --output "$out/$name" "$@"
  "$medaug" evaluate --generated "$out/$name/generated.jsonl" --reference "$data/val.jsonl" --segmenter "$segmenter" --resize-reference \
    --output "$out/$name.json"
}

"${PYTHON:-python3}" bench/pytorch/tiny_autoencoder.py "$out/vae" "$data/train.jsonl" --minutes "${VAE_MINUTES:-4}"
"$medaug" check checkpoint "$out/vae" --images "$data/val.jsonl" --image-size 64 --count 64
"$build/bench/backbone_bench" tiny "$out"
whole "$out/lumina" "$out/begin"
train "$out/plain" "$out/begin/model.safetensors" "${MINUTES:-8}" --set data.mask_classes=0 --set 'data.class_names=[]'
"$medaug" convert "$out/plain" --to lumina --output "$out/published"
whole "$out/published" "$out/imported" --mask-classes 1
train "$out/lora" "$out/imported/model.safetensors" "${LORA_MINUTES:-5}" --set lora.rank=8
judge frozen "$out/imported/model.safetensors" --preset lumina --guidance 1
judge adapted "$out/lora"
