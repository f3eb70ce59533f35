// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace medaug {

/// `network` on `batch` images at a time, without gradients, the parts of each batch side by side
/// on the CPU (nn/team.h).
/// @param images (N, ...)  @return its results, joined along the first axis
at::Tensor in_parts(const at::Tensor& images, std::int64_t batch,
                    const std::function<at::Tensor(const at::Tensor&)>& network);

}  // namespace medaug
