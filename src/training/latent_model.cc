// SPDX-License-Identifier: MIT
#include "training/latent_model.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "checkpoint/autoencoder_file.h"
#include "checkpoint/load_gemma.h"
#include "training/model_file.h"
#include "training/sampling_preset.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostTokenizerBytes = 64LL << 20;
constexpr std::int64_t kMostTokens = 256;  // of a caption, as upstream cuts it
constexpr std::int64_t kColour = 3;

[[noreturn]] void refuse(const fs::path& part, const std::string& message,
                         const std::string& hint = "") {
  throw Error(ErrorCode::kCheckpoint, printable(part.string(), 1000), message, hint);
}

void check_fit(const NextDiTOptions& dit, const AutoencoderOptions& autoencoder,
               const GemmaOptions& gemma, const FrozenSources& parts) {
  if (autoencoder.latent_channels != dit.in_channels) {
    refuse(parts.autoencoder,
           "has " + std::to_string(autoencoder.latent_channels) +
               " latent channels, the backbone " + std::to_string(dit.in_channels),
           "SDXL's autoencoder has 4, SD3's 16");
  }
  if (gemma.hidden_size != dit.caption_dim) {
    refuse(parts.text_encoder,
           "gives captions a width of " + std::to_string(gemma.hidden_size) +
               ", the backbone reads " + std::to_string(dit.caption_dim),
           "Lumina-Next reads gemma-2b, which is 2048 wide");
  }
}

ModelInfo info_for(const ImportedBackbone& backbone, const LatentModelOptions& options) {
  ModelInfo info;
  // Read as a whole: what is wrong with the parts is said before anything is written.
  const auto autoencoder = load_autoencoder(options.parts.autoencoder)->options();
  const auto gemma = read_gemma_options(options.parts.text_encoder);
  info.generator.dit = backbone.options();
  check_fit(info.generator.dit, autoencoder, gemma, options.parts);
  const auto tokenizer = gemma_tokenizer(options.parts.text_encoder, gemma);
  info.tokenizer = tokenizer.serialized();
  info.generator.vocabulary = tokenizer.size();
  info.generator.text.max_tokens = kMostTokens;
  info.generator.downscale = autoencoder_downscale(autoencoder);
  info.generator.frozen_text = true;
  info.preprocess.image_size = options.image_size;
  info.preprocess.channels = kColour;
  info.preprocess.bit_depth = 8;
  info.preprocess.mask_classes = backbone.options().mask_classes;
  info.flow.prediction = Prediction::kVelocity;
  info.flow.data_std = 1.0;
  info.flow.time = TimeDistribution::kUniform;
  info.flow.time_mean = 0.0;
  apply_sampling_preset(SamplingPreset::kLumina, info.sampler, info.guidance);
  verify_gemma(TensorSource::open(options.parts.text_encoder), gemma);
  info.frozen = with_hashes(with_whole_paths(options.parts, fs::current_path()));
  info.training = {{"imported_from", backbone.files().weights.filename().string()}};
  validate_size(info.generator, options.image_size, options.image_size, "--image-size");
  return info;
}

}  // namespace

Tokenizer gemma_tokenizer(const fs::path& folder, const GemmaOptions& gemma) {
  const auto file = folder / "tokenizer.model";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    refuse(file, "is missing: captions cannot become pieces without it",
           "it stands beside config.json in the repository of the text encoder");
  }
  const auto model = read_file(file, kMostTokenizerBytes, ErrorCode::kCheckpoint);
  try {
    auto tokenizer = Tokenizer::load(model, TokenizerStyle::kGemma);
    require_fit(tokenizer, {gemma.vocab_size, gemma.pad_token_id, gemma.bos_token_id});
    return tokenizer;
  } catch (const Error& e) {
    refuse(file, e.message(), e.hint());
  }
}

ExportedBackbone write_latent_model(const fs::path& folder, const ImportedBackbone& backbone,
                                    const LatentModelOptions& options) {
  const auto info = info_for(backbone, options);
  ExportOptions written;
  written.dtype = options.dtype;
  written.metadata = model_metadata(info, kModelFormat);
  written.beside = {{kTokenizerTensor, bytes_tensor(info.tokenizer)}};
  written.progress = options.progress;
  return export_backbone(backbone, folder, written);
}

}  // namespace medaug
