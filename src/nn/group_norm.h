// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/ops.h"

// Group norm (Wu & He, arXiv 1803.08494) of images whose channels lie innermost, for networks that
// are only run forward. Safe to call from several threads.

namespace medaug::nn {

struct GroupNormOptions {
  std::int64_t groups = 1;  ///< divides the channels
  double eps = 1e-6;
  Activation activation = Activation::kNone;
};

enum class Storage {
  kNew,
  kReuse,  ///< the result may be written over the input, which then is used up
};

/// act((x - mean) / sqrt(var + eps) * weight + bias), mean and biased variance over the channels of
/// a group and the places of one image. Computed in float32 (float64 for float64) whatever the
/// dtype of `x`; the same for any number of threads, and for an image alone as in a batch. Not
/// differentiable where it is fused.
/// @param x             (N, C, H, W)
/// @param weight, bias  (C)
/// @return              (N, C, H, W) in the dtype of x, channels last
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const GroupNormOptions& options, Storage storage = Storage::kNew);

namespace reference {
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const GroupNormOptions& options);
}  // namespace reference

}  // namespace medaug::nn
