// SPDX-License-Identifier: MIT
#include "evaluation/extractor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <system_error>
#include <vector>

#include "base/files.h"
#include "checkpoint/load.h"
#include "evaluation/in_parts.h"
#include "evaluation/radiomics.h"
#include "models/efficientnet.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 32;
class EfficientNetExtractor : public FeatureExtractor {
 public:
  explicit EfficientNetExtractor(const fs::path& weights)
      : network_(1000, std::nullopt), hash_(sha256_file(weights)) {
    copy_into(all_tensors(network_), read_safetensors(weights));
    network_.eval();
  }

  std::string name() const override { return "EfficientNet-Lite0, ImageNet"; }
  std::string hash() const override { return hash_; }

  at::Tensor features(const at::Tensor& images) override {
    return in_parts(images, kBatch, [this](const at::Tensor& some) {
      const auto x = EfficientNetLite0::prepare(some);
      return network_.features(x.contiguous(at::MemoryFormat::ChannelsLast));
    });
  }

 private:
  EfficientNetLite0 network_;
  std::string hash_;
};

class RadiomicsExtractor : public FeatureExtractor {
 public:
  std::string name() const override { return "radiomics"; }
  std::string hash() const override {
    return "no weights, " + std::to_string(radiomics_names().size()) + " features";
  }
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

}  // namespace

std::unique_ptr<FeatureExtractor> efficientnet_extractor(const fs::path& weights) {
  return std::make_unique<EfficientNetExtractor>(weights);
}

std::unique_ptr<FeatureExtractor> radiomics_extractor() {
  return std::make_unique<RadiomicsExtractor>();
}

std::optional<fs::path> find_weights(const std::string& file_name) {
  std::error_code error;
  const auto folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& place : {folder / "share", folder.parent_path() / "share"}) {
    const auto path = place / "medaug" / file_name;
    if (fs::exists(path, error)) {
      return path;
    }
  }
  return std::nullopt;
}

}  // namespace medaug
