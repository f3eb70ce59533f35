// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "nn/team.h"

namespace medaug {

/// A batch as its gradients need it.
struct BatchShape {
  std::int64_t images = 0;
  at::Device device = at::kCPU;
  double factor = 1.0;  ///< of the loss, in the gradients
};

/// Summed loss of a batch. Its gradient, times `factor`, becomes that of every parameter that it
/// reaches; what stood there before is gone. On the CPU the parts of a large batch go through the
/// network at the same time (nn/team.h) and their gradients are added in their order, so that the
/// same number of threads gives the same bits.
/// @param loss_of  summed loss of a share of the images, a scalar; called by several threads
double batch_gradients(const std::vector<at::Tensor>& parameters, const BatchShape& batch,
                       const std::function<at::Tensor(nn::Share)>& loss_of);

}  // namespace medaug
