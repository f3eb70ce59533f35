// SPDX-License-Identifier: MIT
#include "training/conditions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medaug {
namespace {

Batch batch_of_ones(std::int64_t n, std::int64_t classes) {
  Batch batch;
  batch.images = at::zeros({n, 1, 4, 4});
  batch.masks = at::ones({n, classes, 4, 4});
  batch.mask_present = at::ones({n});
  batch.augment = at::zeros({n, kAugmentFeatures});
  for (std::int64_t i = 0; i < n; ++i) {
    batch.captions.emplace_back("a lesion");
    batch.draws.push_back(i);
  }
  return batch;
}

CaptionEncoder encoder() {
  return {Tokenizer::train({"a lesion", "no finding in this image"}, 300, 0), 8};
}

TrainingOptions nothing_dropped() {
  TrainingOptions options;
  options.caption_dropout = options.mask_dropout = options.both_dropout = options.class_dropout =
      0.0;
  return options;
}

TEST(DroppedConditions, ADroppedClassIsUnknownAndNotAbsent) {
  auto options = nothing_dropped();
  options.class_dropout = 1.0;
  auto captions = encoder();
  const auto made = dropped_conditions(batch_of_ones(6, 3), captions, options, at::kCPU);
  const auto unknown = made.mask.eq(kUnknownShare).flatten(2).all(2);  // (N, K)
  EXPECT_TRUE(unknown.sum(1).eq(1).all().item<bool>()) << "one class of each image";
  EXPECT_TRUE(made.mask.eq(1.0).logical_or(made.mask.eq(kUnknownShare)).all().item<bool>());
  EXPECT_TRUE(made.mask_present.eq(1.0).all().item<bool>());
}

TEST(DroppedConditions, TheOnlyClassIsNeverDroppedAlone) {
  auto options = nothing_dropped();
  options.class_dropout = 1.0;
  auto captions = encoder();
  const auto made = dropped_conditions(batch_of_ones(4, 1), captions, options, at::kCPU);
  EXPECT_TRUE(made.mask.eq(1.0).all().item<bool>());
}

TEST(DroppedConditions, CaptionAndMaskGoWhenTheyShould) {
  auto captions = encoder();
  const auto whole = dropped_conditions(batch_of_ones(4, 1), captions, nothing_dropped(), at::kCPU);
  EXPECT_GT(whole.token_mask.sum().item<int>(), 4 * 2);
  auto options = nothing_dropped();
  options.both_dropout = 1.0;
  const auto none = dropped_conditions(batch_of_ones(4, 1), captions, options, at::kCPU);
  EXPECT_EQ(none.mask_present.sum().item<float>(), 0.0F);
  EXPECT_LT(none.token_mask.sum().item<int>(), whole.token_mask.sum().item<int>());
}

}  // namespace
}  // namespace medaug
