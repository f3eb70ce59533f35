// SPDX-License-Identifier: MIT
#include "models/image_network.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>

namespace medaug {

at::Tensor three_channels(const at::Tensor& images, std::int64_t side) {
  const auto x = images.size(1) == 1 ? images.expand({-1, 3, -1, -1}) : images;
  if (side <= 0 || (x.size(2) == side && x.size(3) == side)) {
    return x;
  }
  return at::_upsample_bicubic2d_aa(x.contiguous(), {side, side}, false).clamp(-1.0, 1.0);
}

}  // namespace medaug
