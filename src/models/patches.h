// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medaug {

/// (N, C, H, W) to (N, T, C p p): features in the order (channel, row, column).
at::Tensor patchify(const at::Tensor& x, std::int64_t patch);
/// (N, T, p p C) to (N, C, H, W): features in the order (row, column, channel).
at::Tensor unpatchify(const at::Tensor& tokens, std::int64_t patch, std::int64_t height,
                      std::int64_t width);
/// cos then sin of time f_k, f_k = 10000^(-k / 128): (N, 256) float32.
at::Tensor time_embedding(const at::Tensor& time, std::int64_t width = 256);

}  // namespace medaug
