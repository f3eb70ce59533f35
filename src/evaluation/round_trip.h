// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/autoencoder.h"

namespace medaug {

/// How well an autoencoder gives an image back, between the 8-bit images (see image_quality.h for
/// the definitions).
struct RoundTripQuality {
  std::optional<double> psnr;  ///< dB; none when the image came back identical
  std::optional<double> ssim;  ///< none when a side is below 11 pixels
};

/// One entry for each image.
using RoundTrip = std::vector<RoundTripQuality>;

/// Encodes each image to the mean of its posterior and decodes that.
/// @param images  (N, C, H, W) in [-1, 1], C as the autoencoder has it in and out
/// @throws Error kInvalidArgument as Autoencoder::moments, or when it returns other channels than
/// it takes
RoundTrip round_trip_quality(const Autoencoder& model, const at::Tensor& images,
                             const AutoencoderCall& call = {});

}  // namespace medaug
