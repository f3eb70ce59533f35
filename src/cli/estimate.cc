// SPDX-License-Identifier: MIT
#include "cli/estimate.h"

#include <algorithm>

#include "config/concat.h"
#include "models/nextdit.h"

namespace medaug::cli {
namespace {

// Live float values per token and block that the backward pass needs, in units of the width: norms,
// projections, attention and residuals. Counted by hand on the block; not yet compared with the
// peak of real runs.
constexpr double kValuesPerToken = 16.0;
constexpr double kConvValues = 12.0;

double real(std::int64_t value) { return static_cast<double>(value); }

double block_values(const NextDiTOptions& model) {
  return kValuesPerToken * real(model.dim) + 4.0 * real(ffn_hidden(model));
}

double activation_values(const RunConfig& config, const NextDiTOptions& model,
                         std::int64_t tokens) {
  const double blocks = config.training.checkpoint_activations
                            ? real(model.layers) * real(model.dim) + block_values(model)
                            : real(model.layers) * block_values(model);
  double values = real(tokens) * blocks;
  double pixels = real(config.preprocess.height() * config.preprocess.width());
  for (const auto channels : model.conv_channels) {
    values += kConvValues * pixels * real(channels);
    pixels /= 4.0;
  }
  return values;
}

}  // namespace

NextDiTOptions settled_model(const RunConfig& config) {
  auto model = config.model;
  model.mask_classes = config.preprocess.mask_classes;
  model.caption_dim = config.text.dim;
  if (config.preprocess.channels > 0) {
    model.in_channels = model.out_channels = config.preprocess.channels;
  }
  return model;
}

Estimate estimate_run(const RunConfig& config) {
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
  const double averages =
      real(static_cast<std::int64_t>(training.ema_half_life.size() + training.ema_decay.size()));
  const double bytes = 4.0 * (4.0 + averages) + (half ? 2.0 : 0.0);
  out.weights_bytes = real(out.parameters) * bytes;
  out.activations_bytes =
      real(training.batch_size) * activation_values(config, model, out.tokens) * (half ? 2.0 : 4.0);
  out.checkpoint_bytes = real(out.parameters) * 4.0 * (3.0 + averages);
  out.step_flops = 3.0 * real(training.effective_batch_size()) *
                   forward_flops(model, size.height(), size.width(), config.text.max_tokens);
  return out;
}

std::string memory_advice(const RunConfig& config, const Estimate& estimate) {
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
