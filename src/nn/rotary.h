// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medaug::nn {

struct RotaryOptions {
  std::int64_t head_dim = 64;  ///< multiple of 4
  double theta = 10000.0;
  double linear = 1.0;  ///< position interpolation: angles are divided by this
  double ntk = 1.0;     ///< theta is multiplied by this
};

/// Cos and sin of the 2-D rotary embedding of a grid (Lumina-Next, section 3): of a head's pairs,
/// the even ones turn with the row and the odd ones with the column, f_i = (theta ntk)^(-4 i / d) /
/// linear.
/// @return (height * width, d / 2, 2) float32, row-major tokens
at::Tensor rotary_table(std::int64_t height, std::int64_t width, const RotaryOptions& options);

}  // namespace medaug::nn
