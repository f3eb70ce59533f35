// SPDX-License-Identifier: MIT
#include "nn/rotary.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace medaug::nn {

at::Tensor rotary_table(std::int64_t height, std::int64_t width, const RotaryOptions& options) {
  const auto frequencies = options.head_dim / 4;
  auto table =
      at::empty({height * width, options.head_dim / 2, 2}, at::TensorOptions().dtype(at::kFloat));
  struct Turn {
    float cos, sin;
  };
  std::vector<Turn> turns;  // (place, frequency): rows and columns share them
  for (std::int64_t place = 0; place < std::max(height, width); ++place) {
    for (std::int64_t i = 0; i < frequencies; ++i) {
      const double exponent = -4.0 * static_cast<double>(i) / static_cast<double>(options.head_dim);
      const double frequency = std::pow(options.theta * options.ntk, exponent) / options.linear;
      const double angle = static_cast<double>(place) * frequency;
      turns.push_back({static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))});
    }
  }
  auto* out = table.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      for (std::int64_t i = 0; i < frequencies; ++i) {
        for (const auto place : {row, column}) {
          const auto& turn = turns[static_cast<std::size_t>(place * frequencies + i)];
          *out++ = turn.cos;
          *out++ = turn.sin;
        }
      }
    }
  }
  return table;
}

}  // namespace medaug::nn
