// SPDX-License-Identifier: MIT
#include "cli/estimate.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/autoencoder_file.h"
#include "config/concat.h"
#include "training/base_model.h"
#include "training/run_data.h"
#include "training/setup.h"

namespace medaug::cli {
namespace {

// LibTorch loaded.
constexpr double kProgramBytes = 0.3e9;

double real(std::int64_t value) { return static_cast<double>(value); }

std::optional<AutoencoderOptions> autoencoder_of(const ModelInfo& info) {
  try {
    return info.generator.downscale == 1
               ? std::nullopt
               : std::optional(read_autoencoder_options(info.frozen.autoencoder));
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Model options as the data and the text encoder will set them; colour where only the data knows.
NextDiTOptions settled_model(const RunConfig& config) {
  auto preprocess = config.preprocess;
  if (preprocess.channels == 0) {
    preprocess.channels = config.model.in_channels;
  }
  return model_options(config, preprocess, config.text.vocabulary).dit;
}

std::string weights_advice(const RunConfig& config, const Estimate& estimate) {
  const auto& training = config.training;
  if (config.lora.rank > 0) {
    return "lower lora.rank, or start from a smaller model";
  }
  std::vector<std::string> ways;
  if (training.state_dtype == StateDtype::kFloat32) {
    ways.emplace_back("set training.state_dtype=bfloat16");
  }
  if (!training.ema_half_life.empty()) {
    ways.emplace_back("set training.ema_half_life=[]");
  }
  ways.push_back(
      config.base.empty()
          ? concat({"lower model.dim (now ", std::to_string(estimate.model.dim),
                    ") or model.layers (now ", std::to_string(estimate.model.layers), ")"})
          : std::string("train adapters: lora.rank=16"));
  return join(ways, ", or ");
}

}  // namespace

MemorySetting memory_setting(const RunConfig& config) {
  const auto& training = config.training;
  MemorySetting out;
  out.lora = config.lora;
  out.half = training.use_amp && training.amp_dtype != AmpDtype::kFloat32;
  out.low_state = training.state_dtype == StateDtype::kBFloat16;
  out.accumulates = training.accumulation > 1;
  out.checkpointed = training.checkpoint_activations;
  out.gpu = runs_on_cuda(training.device);
  out.averages = training.averages();
  out.height = config.preprocess.height();
  out.width = config.preprocess.width();
  out.caption_tokens = config.text.max_tokens;
  if (const auto base = latent_base(config.base)) {
    auto colour = config.preprocess;
    colour.channels = colour.channels == 0 ? 3 : colour.channels;  // where only the data knows
    out.model = latent_options(base->generator, colour).dit;
    out.autoencoder = autoencoder_of(*base);
    out.height /= base->generator.downscale;
    out.width /= base->generator.downscale;
    out.caption_tokens = base->generator.text.max_tokens;
  } else {
    out.model = settled_model(config);
  }
  return out;
}

Estimate estimate_run(const RunConfig& config, std::int64_t records) {
  const auto setting = memory_setting(config);
  const auto& model = setting.model;
  const auto& size = config.preprocess;
  Estimate out;
  out.model = model;
  const auto& training = config.training;
  const auto memory = estimate_memory(setting);
  out.parameters = memory.parameters;
  out.trained = memory.trained;
  out.tokens = setting.height / model.patch_size * (setting.width / model.patch_size);
  out.program_bytes = kProgramBytes;
  const auto channels = setting.autoencoder ? setting.autoencoder->in_channels : model.in_channels;
  const double bytes_per_pixel = real(channels) * (size.bit_depth == 16 ? 2.0 : 1.0);
  out.data_bytes =
      real(records * size.height() * size.width()) * (bytes_per_pixel + real(size.mask_classes));
  out.weights_bytes = memory.weights + memory.state + memory.gradients;
  out.activations_bytes = memory.bytes(training.batch_size) - out.weights_bytes;
  out.checkpoint_bytes = real(memory.trained) * 4.0 * (1.0 + training.averages()) + memory.state;
  out.disk_bytes = out.checkpoint_bytes * real(training.keep_last + 2);
  const double passes = (config.lora.rank > 0 ? 2.0 : 3.0) +  // no gradients of frozen weights
                        (training.checkpoint_activations ? 1.0 : 0.0);
  out.step_flops = passes * real(training.effective_batch_size()) *
                   forward_flops(model, setting.height, setting.width, setting.caption_tokens);
  return out;
}

std::string memory_advice(const RunConfig& config, const Estimate& estimate) {
  if (estimate.data_bytes > std::max(estimate.weights_bytes, estimate.activations_bytes)) {
    return concat({"lower data.image_size (now ", std::to_string(config.preprocess.height()),
                   "), or train on fewer records"});
  }
  if (estimate.weights_bytes > estimate.activations_bytes) {
    return weights_advice(config, estimate);
  }
  const auto half = std::max<std::int64_t>(1, config.training.batch_size / 2);
  return concat({"lower training.batch_size (now ", std::to_string(config.training.batch_size),
                 "), for example to ", std::to_string(half),
                 " with training.accumulation=", std::to_string(config.training.accumulation * 2),
                 "; or set training.checkpoint_activations=true"});
}

}  // namespace medaug::cli
