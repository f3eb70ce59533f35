// SPDX-License-Identifier: MIT
#include "training/state_array.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace medaug {
namespace {

TEST(StateArray, Float32IsAView) {
  StateArray array(4, at::kFloat, at::kFloat, at::kCPU);
  array.read(1, 2).fill_(3.0);
  EXPECT_TRUE(array.tensor().equal(at::tensor({0.0F, 3.0F, 3.0F, 0.0F})));
  std::vector<float> room;
  array.load(0, 4, room)[3] = 5.0F;
  EXPECT_TRUE(room.empty());
  EXPECT_EQ(array.tensor()[3].item<float>(), 5.0F);
}

TEST(StateArray, Bf16RoundsToANeighbourWithoutBias) {
  constexpr std::int64_t kCount = 1 << 16;
  // A quarter of the way from 1 to the next bfloat16, 1 + 2^-7.
  const auto values = at::full({kCount}, 1.0 + std::ldexp(1.0, -9));
  StateArray array(kCount, at::kFloat, at::kBFloat16, at::kCPU);
  array.write(0, values, 7);
  const auto up = (array.read(0, kCount) - 1.0) * 128.0;
  EXPECT_TRUE((up.eq(0.0).logical_or(up.eq(1.0))).all().item<bool>());
  EXPECT_NEAR(up.mean().item<double>(), 0.25, 5.0 * std::sqrt(0.25 * 0.75 / kCount));
  StateArray other(kCount, at::kFloat, at::kBFloat16, at::kCPU);
  other.write(0, values, 8);
  EXPECT_FALSE(other.tensor().equal(array.tensor()));
}

TEST(StateArray, KernelAndPlainPathRoundAlike) {
  at::manual_seed(2);
  const auto values = at::cat({at::randn({5000}) * 1e-4, at::tensor({INFINITY, -INFINITY, 0.0F})});
  const auto n = values.numel();
  StateArray plain(n + 3, at::kFloat, at::kBFloat16, at::kCPU);
  const StateArray parts(n + 3, at::kFloat, at::kBFloat16, at::kCPU);
  plain.write(3, values, 99);
  for (std::int64_t begin = 0; begin < n; begin += 1000) {
    const auto end = std::min(n, begin + 1000);
    std::vector<float> room(values.const_data_ptr<float>() + begin,
                            values.const_data_ptr<float>() + end);
    parts.store(3 + begin, begin, room, 99);
  }
  EXPECT_TRUE(plain.tensor().equal(parts.tensor()));
  std::vector<float> room;
  parts.load(0, n + 3, room);
  EXPECT_TRUE(plain.read(0, n + 3).equal(at::tensor(room)));
}

}  // namespace
}  // namespace medaug
