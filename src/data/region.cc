// SPDX-License-Identifier: MIT
#include "data/region.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace medaug {

at::Tensor preprocess_region(const at::Tensor& levels, const PreprocessOptions& options,
                             const std::string& where) {
  auto binary = options;
  binary.mask_classes = 1;
  binary.mask_labels = {};
  binary.mask_colors = {};
  const auto marked = levels.ne(0).any(0, true).to(at::kInt);  // (1, H, W)
  auto region = preprocess_mask(marked, binary, where).ge(0.5);
  if (!region.any().item<bool>()) {
    throw Error(ErrorCode::kData, where, "marks no place to paint",
                "white (or any value but 0) says where to paint");
  }
  return region;
}

}  // namespace medaug
