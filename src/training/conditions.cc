// SPDX-License-Identifier: MIT
#include "training/conditions.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "base/random.h"

namespace medaug {

void CaptionEncoder::encode(const std::vector<std::string>& captions, Conditions& conditions) {
  const auto n = static_cast<std::int64_t>(captions.size());
  conditions.tokens =
      at::full({n, max_tokens_}, Tokenizer::kPad, at::TensorOptions().dtype(at::kLong));
  conditions.token_mask = at::zeros({n, max_tokens_}, at::TensorOptions().dtype(at::kBool));
  auto* ids = conditions.tokens.mutable_data_ptr<std::int64_t>();
  auto* mask = conditions.token_mask.mutable_data_ptr<bool>();
  for (const auto& caption : captions) {
    auto found = cache_.find(caption);
    if (found == cache_.end()) {
      found = cache_.emplace(caption, tokenizer_.encode(caption, max_tokens_)).first;
    }
    std::int64_t place = 0;
    for (const auto id : found->second) {
      ids[place] = id;
      mask[place] = true;
      ++place;
    }
    ids += max_tokens_;
    mask += max_tokens_;
  }
}

Conditions conditions_of(const Batch& batch, CaptionEncoder& captions, at::Device device) {
  Conditions conditions;
  captions.encode(batch.captions, conditions);
  conditions.tokens = conditions.tokens.to(device);
  conditions.token_mask = conditions.token_mask.to(device);
  if (batch.masks.size(1) > 0) {
    conditions.mask = batch.masks.to(device);
    conditions.mask_present = batch.mask_present.to(device);
  }
  conditions.augment = batch.augment.to(device);
  return conditions;
}

Conditions dropped_conditions(Batch batch, CaptionEncoder& captions, const TrainingOptions& options,
                              at::Device device) {
  const auto classes = batch.masks.size(1);
  batch.mask_present = batch.mask_present.clone();
  for (std::size_t i = 0; i < batch.draws.size(); ++i) {
    RandomStream stream(static_cast<std::uint64_t>(options.seed), Purpose::kDrop,
                        static_cast<std::uint64_t>(batch.draws[i]));
    const bool both = stream.chance(options.both_dropout);
    if (stream.chance(options.caption_dropout) || both) {
      batch.captions[i].clear();
    }
    const auto row = static_cast<std::int64_t>(i);
    if (stream.chance(options.mask_dropout) || both) {
      batch.mask_present[row] = 0.0;
    } else if (classes > 1 && stream.chance(options.class_dropout)) {
      const auto dropped =
          static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(classes)));
      batch.masks[row][dropped].fill_(kUnknownShare);
    }
  }
  return conditions_of(batch, captions, device);
}

}  // namespace medaug
