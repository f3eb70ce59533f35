// SPDX-License-Identifier: MIT
#include "cli/estimate.h"

#include <algorithm>

#include "config/concat.h"
#include "models/nextdit.h"
#include "training/run_data.h"

namespace medaug::cli {
namespace {

// Values per token and block that the backward pass needs, in units of the width: norms,
// projections, attention and residuals. Counted by hand on the block; with the probabilities of
// attention it comes to 1.14 GB where configs/isic2017_64.yaml peaked at 1.27 GB.
constexpr double kValuesPerToken = 16.0;
constexpr double kConvValues = 12.0;
// LibTorch loaded.
constexpr double kProgramBytes = 0.3e9;

double real(std::int64_t value) { return static_cast<double>(value); }

/// Of one block and image.
double block_values(const NextDiTOptions& model, double tokens, double caption_tokens) {
  const double each = kValuesPerToken * real(model.dim) + 4.0 * real(ffn_hidden(model));
  const double probabilities = real(model.heads) * (tokens + caption_tokens);
  return tokens * (each + probabilities);
}

double activation_values(const RunConfig& config, const NextDiTOptions& model, double tokens) {
  const double block = block_values(model, tokens, real(config.text.max_tokens));
  double values = config.training.checkpoint_activations
                      ? real(model.layers) * real(model.dim) * tokens + block
                      : real(model.layers) * block;
  double pixels = real(config.preprocess.height() * config.preprocess.width());
  for (const auto channels : model.conv_channels) {
    values += kConvValues * pixels * real(channels);
    pixels /= 4.0;
  }
  return values;
}

// Model options as the data and the text encoder will set them; colour where only the data knows.
NextDiTOptions settled_model(const RunConfig& config) {
  auto preprocess = config.preprocess;
  if (preprocess.channels == 0) {
    preprocess.channels = config.model.in_channels;
  }
  return model_options(config, preprocess, config.text.vocabulary).dit;
}

}  // namespace

Estimate estimate_run(const RunConfig& config, std::int64_t records) {
  const auto model = settled_model(config);
  const auto& size = config.preprocess;
  Estimate out;
  const NextDiT network(model, 0, at::kMeta);
  for (const auto& parameter : network.parameters()) {
    out.parameters += parameter.numel();
  }
  out.tokens = size.height() / model.patch_size * (size.width() / model.patch_size);
  const auto& training = config.training;
  const bool half = training.use_amp && training.amp_dtype != AmpDtype::kFloat32;
  const double averages = training.averages();
  const double bytes = 4.0 * (4.0 + averages) + (half ? 2.0 : 0.0);
  out.program_bytes = kProgramBytes;
  const double bytes_per_pixel = real(model.in_channels) * (size.bit_depth == 16 ? 2.0 : 1.0);
  out.data_bytes =
      real(records * size.height() * size.width()) * (bytes_per_pixel + real(size.mask_classes));
  out.weights_bytes = real(out.parameters) * bytes;
  out.activations_bytes = real(training.batch_size) *
                          activation_values(config, model, real(out.tokens)) * (half ? 2.0 : 4.0);
  out.checkpoint_bytes = real(out.parameters) * 4.0 * (3.0 + averages);
  out.disk_bytes = out.checkpoint_bytes * real(training.keep_last + 2);
  out.step_flops = 3.0 * real(training.effective_batch_size()) *
                   forward_flops(model, size.height(), size.width(), config.text.max_tokens);
  return out;
}

std::string memory_advice(const RunConfig& config, const Estimate& estimate) {
  if (estimate.data_bytes > std::max(estimate.weights_bytes, estimate.activations_bytes)) {
    return concat({"lower data.image_size (now ", std::to_string(config.preprocess.height()),
                   "), or train on fewer records"});
  }
  if (estimate.weights_bytes > estimate.activations_bytes) {
    return concat({"lower model.dim (now ", std::to_string(config.model.dim),
                   ") or model.layers (now ", std::to_string(config.model.layers), ")"});
  }
  const auto half = std::max<std::int64_t>(1, config.training.batch_size / 2);
  return concat({"lower training.batch_size (now ", std::to_string(config.training.batch_size),
                 "), for example to ", std::to_string(half),
                 " with training.accumulation=", std::to_string(config.training.accumulation * 2),
                 "; or set training.checkpoint_activations=true"});
}

}  // namespace medaug::cli
