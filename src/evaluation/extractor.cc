// SPDX-License-Identifier: MIT
#include "evaluation/extractor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/load.h"
#include "config/concat.h"
#include "evaluation/in_parts.h"
#include "evaluation/radiomics.h"
#include "evaluation/resnet_weights.h"
#include "image/image.h"
#include "models/efficientnet.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kSide = 224;  // pixels that both networks were trained with

/// A network with the weights of a file.
class NetworkExtractor : public FeatureExtractor {
 public:
  NetworkExtractor(std::string name, std::unique_ptr<ImageNetwork> network, const fs::path& weights)
      : name_(std::move(name)), network_(std::move(network)), hash_(sha256_file(weights)) {
    network_->eval();
  }

  std::string name() const override { return name_; }
  std::string hash() const override { return hash_; }

  at::Tensor features(const at::Tensor& images) override {
    return in_parts(images, kBatch, [this](const at::Tensor& some) {
      const auto x = network_->prepare(some, kSide);
      return network_->features(x.contiguous(at::MemoryFormat::ChannelsLast));
    });
  }

 private:
  std::string name_;
  std::unique_ptr<ImageNetwork> network_;
  std::string hash_;
};

class RadiomicsExtractor : public FeatureExtractor {
 public:
  std::string name() const override { return "radiomics"; }
  std::string hash() const override {
    return "no weights, " + std::to_string(radiomics_names().size()) + " features";
  }
  bool has_units() const override { return true; }
  at::Tensor features(const at::Tensor& images) override {
    std::vector<at::Tensor> rows(static_cast<std::size_t>(images.size(0)));
    at::parallel_for(0, images.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        rows[static_cast<std::size_t>(i)] = radiomics(images[i]);
      }
    });
    return at::stack(rows);
  }
};

class SegmenterExtractor : public FeatureExtractor {
 public:
  explicit SegmenterExtractor(std::shared_ptr<const Segmenter> segmenter)
      : segmenter_(std::move(segmenter)) {}

  std::string name() const override { return "segmenter, deepest level"; }
  std::string hash() const override { return segmenter_->hash(); }
  at::Tensor features(const at::Tensor& images) override {
    // Back to levels first, so that size and channels are those of the segmenter's own pictures.
    std::vector<at::Tensor> own;
    for (const auto& image : images.unbind()) {
      own.push_back(preprocess_image(from_unit_range(image, 8), segmenter_->info().preprocess));
    }
    return segmenter_->features(at::stack(own));
  }

 private:
  std::shared_ptr<const Segmenter> segmenter_;
};

}  // namespace

std::unique_ptr<FeatureExtractor> efficientnet_extractor(const fs::path& weights) {
  auto network = std::make_unique<EfficientNetLite0>(1000, std::nullopt);
  try {
    const auto file = read_safetensors(weights);
    require_finite(file);
    copy_into(all_tensors(*network), file);
  } catch (const Error& e) {
    throw Error(e.code(), e.where(), concat({"no EfficientNet-Lite0: ", e.message()}),
                "leave --efficientnet out for the weights that the set-up fetched");
  }
  return std::make_unique<NetworkExtractor>("EfficientNet-Lite0, ImageNet", std::move(network),
                                            weights);
}

std::unique_ptr<FeatureExtractor> resnet50_extractor(const fs::path& weights) {
  auto network = std::make_unique<ResNet>(ResNetOptions{}, std::nullopt);
  load_resnet_weights(*network, weights);
  return std::make_unique<NetworkExtractor>("ResNet-50, " + weights.filename().string(),
                                            std::move(network), weights);
}

std::unique_ptr<FeatureExtractor> radiomics_extractor() {
  return std::make_unique<RadiomicsExtractor>();
}

std::unique_ptr<FeatureExtractor> segmenter_extractor(std::shared_ptr<const Segmenter> segmenter) {
  return std::make_unique<SegmenterExtractor>(std::move(segmenter));
}

std::optional<fs::path> find_weights(const std::string& file_name) {
  std::error_code error;
  const auto folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  // In a build folder; installed as bin/medaug; installed as libexec/medaug/medaug-core.
  for (const auto* const place : {"share", "../share", "../../share"}) {
    const auto path = folder / place / "medaug" / file_name;
    if (fs::exists(path, error)) {
      return path;
    }
  }
  return std::nullopt;
}

}  // namespace medaug
