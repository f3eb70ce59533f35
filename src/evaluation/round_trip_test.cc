// SPDX-License-Identifier: MIT
#include "evaluation/round_trip.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "evaluation/image_quality.h"

namespace medaug {
namespace {

AutoencoderOptions tiny() {
  AutoencoderOptions o;
  o.in_channels = o.out_channels = 1;
  o.block_out_channels = {8, 8};
  o.layers_per_block = 1;
  o.norm_num_groups = 4;
  return o;
}

TEST(RoundTrip, IsTheQualityOfEachDecodedMean) {
  at::manual_seed(1);
  const Autoencoder model(tiny(), 2);
  const auto images = at::rand({2, 1, 24, 16}) * 2.0 - 1.0;
  const auto quality = round_trip_quality(model, images);
  ASSERT_EQ(quality.size(), 2);
  const auto back = model.decode(model.encode(images));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto n = static_cast<std::int64_t>(i);
    const auto levels = [&](const at::Tensor& x) {
      return ((x[n].clamp(-1, 1) + 1.0) * 127.5).round().to(at::kDouble);
    };
    const double mse = (levels(back) - levels(images)).square().mean().item<double>();
    EXPECT_NEAR(quality[i].psnr.value(), 10.0 * std::log10(255.0 * 255.0 / mse), 1e-6);
    EXPECT_GT(quality[i].ssim.value(), -1.0);
    EXPECT_LT(quality[i].ssim.value(), 1.0);
  }
  EXPECT_NE(quality[0].psnr, quality[1].psnr);
}

TEST(RoundTrip, SmallImagesHaveNoSsim) {
  const Autoencoder model(tiny(), 2);
  EXPECT_FALSE(round_trip_quality(model, at::zeros({1, 1, 8, 8}))[0].ssim.has_value());
}

TEST(RoundTrip, RefusesAnAutoencoderThatChangesTheChannels) {
  auto options = tiny();
  options.out_channels = 3;
  try {
    round_trip_quality(Autoencoder(options), at::zeros({1, 1, 8, 8}));
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("takes 1 channels and returns 3"));
  }
}

}  // namespace
}  // namespace medaug
