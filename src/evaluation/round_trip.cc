// SPDX-License-Identifier: MIT
#include "evaluation/round_trip.h"

#include "base/error.h"
#include "evaluation/image_quality.h"

namespace medaug {
namespace {

constexpr int kBitDepth = 8;

}  // namespace

RoundTrip round_trip_quality(const Autoencoder& model, const at::Tensor& images,
                             const AutoencoderCall& call) {
  if (model.options().in_channels != model.options().out_channels) {
    throw Error(ErrorCode::kInvalidArgument, "autoencoder",
                "takes " + std::to_string(model.options().in_channels) + " channels and returns " +
                    std::to_string(model.options().out_channels),
                "only like can be compared with like");
  }
  const auto back = model.decode(model.encode(images, {}, call), call).to(at::kCPU);
  RoundTrip all;
  for (std::int64_t n = 0; n < images.size(0); ++n) {
    const auto quality =
        compare_images(from_unit_range(back[n], kBitDepth),
                       from_unit_range(images[n].to(at::kCPU, at::kFloat), kBitDepth));
    all.push_back({.psnr = quality.psnr, .ssim = quality.ssim});
  }
  return all;
}

}  // namespace medaug
