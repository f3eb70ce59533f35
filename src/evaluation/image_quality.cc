// SPDX-License-Identifier: MIT
#include "evaluation/image_quality.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/concat.h"
#include "evaluation/structural_similarity.h"

namespace medaug {
namespace {

constexpr double kFrom8To16 = 257.0;

std::vector<Plane> planes_of(const Image& image, int bit_depth) {
  const double factor = image.bit_depth == 8 && bit_depth == 16 ? kFrom8To16 : 1.0;
  std::vector<Plane> planes;
  for (std::int64_t c = 0; c < image.channels(); ++c) {
    const auto levels = (image.pixels[c].to(at::kDouble) * factor).contiguous();
    const auto* data = levels.const_data_ptr<double>();
    planes.push_back({image.height(), image.width(), {data, data + levels.numel()}});
  }
  return planes;
}

void check_alike(const Image& generated, const Image& reference) {
  if (generated.pixels.sizes() != reference.pixels.sizes()) {
    const auto size = [](const Image& i) {
      return concat({std::to_string(i.width()), " x ", std::to_string(i.height()), " with ",
                     std::to_string(i.channels()), i.channels() == 1 ? " channel" : " channels"});
    };
    throw Error(
        ErrorCode::kData, "",
        concat({"sizes differ: generated ", size(generated), ", reference ", size(reference)}),
        "--resize-reference brings the references to the size of the generated images");
  }
}

}  // namespace

ImageQuality compare_images(const Image& generated, const Image& reference) {
  check_alike(generated, reference);
  const int bit_depth = std::max(generated.bit_depth, reference.bit_depth);
  ImageQuality out;
  out.data_range = bit_depth == 16 ? 65535.0 : 255.0;
  const auto a = planes_of(generated, bit_depth), b = planes_of(reference, bit_depth);
  double absolute = 0.0, square = 0.0, pixels = 0.0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    for (std::size_t i = 0; i < a[c].values.size(); ++i) {
      const double difference = a[c].values[i] - b[c].values[i];
      absolute += std::abs(difference);
      square += difference * difference;
    }
    pixels += static_cast<double>(a[c].values.size());
  }
  out.mae = absolute / pixels;
  out.mse = square / pixels;
  if (out.mse > 0.0) {
    out.psnr = 10.0 * std::log10(out.data_range * out.data_range / out.mse);
  }
  const auto over_channels = [&](auto&& of) {
    double sum = 0.0;
    for (std::size_t c = 0; c < a.size(); ++c) {
      sum += of(a[c], b[c]);
    }
    return sum / static_cast<double>(a.size());
  };
  const auto side = std::min(generated.height(), generated.width());
  if (side >= kSsimWindow) {
    out.ssim = over_channels([&](const Plane& p, const Plane& q) {
      return structural_similarity(p, q, out.data_range).ssim;
    });
  }
  if (side >= kMsSsimLeastSide) {
    out.ms_ssim = over_channels([&](const Plane& p, const Plane& q) {
      return multiscale_similarity(p, q, out.data_range);
    });
  }
  return out;
}

}  // namespace medaug
