// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "data/preprocess.h"

namespace medaug {

/// (K, H, W) uint8, 0 or 1, at the mask's own size: one plane per class of the options.
/// @throws Error kData naming the first pixel whose label or colour is not in the options
/// @throws Error kConfig when `mask_labels` or `mask_colors` do not have K entries
at::Tensor split_mask(const at::Tensor& levels, const PreprocessOptions& options,
                      const std::string& where);

}  // namespace medaug
