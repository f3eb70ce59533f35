// SPDX-License-Identifier: MIT
#include "training/frozen_parts.h"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/heap.h"
#include "checkpoint/autoencoder_file.h"
#include "checkpoint/feature_cache.h"
#include "checkpoint/file_hashes.h"
#include "checkpoint/load_gemma.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostDisk = 8LL << 30;  // of captions' features

/// Of the user: features of captions, hashes of large files. Empty = nothing is kept.
fs::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const auto folder = variable("XDG_CACHE_HOME"); folder.is_absolute()) {
    return folder / "medaug";
  }
  const auto home = variable("HOME");
  return home.is_absolute() ? home / ".cache/medaug" : fs::path();
}

fs::path features_folder() {
  const auto folder = cache_folder();
  return folder.empty() ? folder : folder / "features";
}

/// One caption at a time, so that its features do not depend on its company; each is computed once.
/// The weights are read when the first caption comes whose features are not kept.
class GemmaFeatures : public CaptionFeatures {
 public:
  GemmaFeatures(fs::path folder, at::Device device, const FeatureKey& key)
      : folder_(std::move(folder)),
        device_(device),
        dtype_(key.dtype),
        width_(read_gemma_options(folder_).hidden_size),
        cache_(features_folder(), key, {.disk_bytes = kMostDisk}) {}

  at::Tensor features(const at::Tensor& tokens, const at::Tensor& mask) const override {
    const at::NoGradGuard no_grad;
    const auto ids = tokens.to(at::kCPU), real = mask.to(at::kCPU, at::kBool);
    auto out =
        at::zeros({ids.size(0), ids.size(1), width_}, at::TensorOptions().dtype(at::kBFloat16));
    for (std::int64_t i = 0; i < ids.size(0); ++i) {
      const auto length = real[i].sum().item<std::int64_t>();  // padding stands on the right
      out[i].slice(0, 0, length).copy_(one(ids[i].slice(0, 0, length)));
    }
    return out.to(tokens.device());
  }

  void release() const override {
    const std::lock_guard lock(mutex_);
    gemma_.reset();
    give_back_freed_memory();
  }

 private:
  std::shared_ptr<const Gemma> gemma() const {
    const std::lock_guard lock(mutex_);
    if (!gemma_) {
      gemma_ = load_gemma(folder_, device_, dtype_);
    }
    return gemma_;
  }

  /// (L) ids of one caption -> (L, D)
  at::Tensor one(const at::Tensor& ids) const {
    const auto row = ids.contiguous();
    const std::vector<std::int64_t> key(row.const_data_ptr<std::int64_t>(),
                                        row.const_data_ptr<std::int64_t>() + row.numel());
    if (auto found = cache_.find(key)) {
      return *std::move(found);
    }
    const auto batch = row.unsqueeze(0).to(device_);
    return cache_.put(key, gemma()->feature(batch, at::ones_like(batch))[0].to(at::kCPU));
  }

  fs::path folder_;
  at::Device device_;
  at::ScalarType dtype_;
  std::int64_t width_;
  mutable FeatureCache cache_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Gemma> gemma_;  ///< guarded by mutex_; none = not needed yet
};

void require_there(const std::string& place, const char* part) {
  std::error_code ignored;
  if (!fs::exists(place, ignored)) {
    throw Error(ErrorCode::kCheckpoint, place,
                std::string("is not there, and the model works with the ") + part + " in it",
                "put it back, or a link to it; or convert the model again with its new place");
  }
}

void require_same(const fs::path& place, const std::string& found, const std::string& wanted) {
  if (!wanted.empty() && found != wanted) {
    throw Error(ErrorCode::kCheckpoint, place.string(),
                "holds other weights than when the model was made",
                "SHA-256 " + found.substr(0, 16) + ", wanted " + wanted.substr(0, 16));
  }
}

}  // namespace

FrozenSources with_whole_paths(FrozenSources sources, const fs::path& model_folder) {
  for (auto* const path : {&sources.autoencoder, &sources.text_encoder}) {
    if (!path->empty()) {
      *path = fs::absolute(model_folder / *path).lexically_normal().string();
    }
  }
  return sources;
}

FrozenSources with_hashes(FrozenSources sources) {
  const FileHashes hashes(cache_folder());
  if (!sources.autoencoder.empty()) {
    sources.autoencoder_hash = hashes.sha256(autoencoder_weights(sources.autoencoder));
  }
  if (!sources.text_encoder.empty()) {
    sources.text_encoder_hash =
        gemma_hash(sources.text_encoder, [&](const fs::path& file) { return hashes.sha256(file); });
  }
  return sources;
}

void attach_frozen_parts(Generator& model, const FrozenSources& sources,
                         const fs::path& model_folder, at::Device device, at::ScalarType dtype) {
  const auto places = with_whole_paths(sources, model_folder);
  FrozenSources found;
  if (!model.works_on_pixels() && !places.autoencoder.empty()) {
    require_there(places.autoencoder, "autoencoder");
    found.autoencoder = places.autoencoder;
  }
  if (model.options().frozen_text && !places.text_encoder.empty()) {
    require_there(places.text_encoder, "text encoder");
    found.text_encoder = places.text_encoder;
  }
  found = with_hashes(std::move(found));
  FrozenParts parts;
  if (!found.autoencoder.empty()) {
    require_same(found.autoencoder, found.autoencoder_hash, sources.autoencoder_hash);
    parts.autoencoder = load_autoencoder(found.autoencoder, {.device = device, .dtype = dtype});
  }
  if (!found.text_encoder.empty()) {
    require_same(found.text_encoder, found.text_encoder_hash, sources.text_encoder_hash);
    parts.captions = std::make_shared<GemmaFeatures>(
        found.text_encoder, device,
        FeatureKey{.weights_hash = found.text_encoder_hash, .tokenizer_hash = {}, .dtype = dtype});
  }
  model.attach(std::move(parts));
}

}  // namespace medaug
