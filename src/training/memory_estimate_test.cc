// SPDX-License-Identifier: MIT
#include "training/memory_estimate.h"

#include <gtest/gtest.h>

namespace medaug {
namespace {

MemorySetting latents_512() {
  MemorySetting s;
  s.model = nextdit_preset("2b-gqa");
  s.height = s.width = 64;
  s.caption_tokens = 256;
  return s;
}

TEST(MemoryEstimate, CountsWhatEachParameterCosts) {
  auto s = latents_512();
  const auto all = estimate_memory(s);
  EXPECT_EQ(all.parameters, 1'627'386'400);
  EXPECT_EQ(all.trained, all.parameters);
  const double n = 1'627'386'400.0;
  EXPECT_DOUBLE_EQ(all.weights, 6.0 * n);    // float32 master, bfloat16 copy
  EXPECT_DOUBLE_EQ(all.state, 8.0 * n);      // two averages in float32
  EXPECT_DOUBLE_EQ(all.gradients, 2.0 * n);  // bfloat16
  s.low_state = true;
  s.averages = 1;
  EXPECT_DOUBLE_EQ(estimate_memory(s).state, 4.0 * n);
  EXPECT_DOUBLE_EQ(estimate_memory(s).weights, 10.0 * n);
}

TEST(MemoryEstimate, FrozenWeightsCostTheirTwoBytesOnly) {
  auto s = latents_512();
  s.lora.rank = 16;
  const auto lora = estimate_memory(s);
  // A and B of 24 blocks: q, wo 2304 + 2304 each; k, v 2304 + 576; k, v of captions 2048 + 576;
  // w1, w2, w3 2304 + 6144.
  EXPECT_EQ(lora.trained, 24 * 16 * (2 * 4608 + 2 * 2880 + 2 * 2624 + 3 * 8448));
  const auto t = static_cast<double>(lora.trained);
  EXPECT_DOUBLE_EQ(lora.weights, 2.0 * 1'627'386'400.0 + 6.0 * t);
  EXPECT_DOUBLE_EQ(lora.state + lora.gradients, 10.0 * t);
  EXPECT_LT(lora.per_image, estimate_memory(latents_512()).per_image);
}

TEST(MemoryEstimate, TheAutoencoderCostsItsWeightsAndOneImage) {
  auto s = latents_512();
  const auto without = estimate_memory(s);
  s.autoencoder = AutoencoderOptions{};
  const auto with = estimate_memory(s);
  EXPECT_DOUBLE_EQ(with.weights - without.weights, 2.0 * 83'653'863.0);
  EXPECT_GE(with.workspace, without.workspace);
  s.gpu = false;
  EXPECT_EQ(with.trained, without.trained);
  const auto on_cpu = estimate_memory(s);
  EXPECT_GT(on_cpu.workspace, 0.1e9);
  EXPECT_LE(on_cpu.workspace, 4.0 * 1024 * 1024 * 1024);
}

TEST(MemoryEstimate, LargestBatchIsTheLastThatFits) {
  auto s = latents_512();
  s.checkpointed = true;
  const auto memory = estimate_memory(s);
  const double card = 80e9;
  const auto batch = memory.largest_batch(card);
  EXPECT_GT(batch, 4);
  EXPECT_LE(memory.bytes(batch), card);
  EXPECT_GT(memory.bytes(batch + 1), card);
  EXPECT_EQ(memory.largest_batch(memory.weights), 0);
}

}  // namespace
}  // namespace medaug
