// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "data/preprocess.h"

namespace medaug {

/// Where to paint, at the model's size: (1, H, W) bool.
/// @param levels  as `read_mask_levels`; whatever is not 0 is to be painted
/// @param where   for messages. @throws Error kData when nothing is marked, or as `preprocess_mask`
at::Tensor preprocess_region(const at::Tensor& levels, const PreprocessOptions& options,
                             const std::string& where);

}  // namespace medaug
