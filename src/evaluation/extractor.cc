// SPDX-License-Identifier: MIT
#include "evaluation/extractor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/sha256.h"
#include "checkpoint/load.h"
#include "evaluation/radiomics.h"
#include "models/efficientnet.h"
#include "nn/team.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kMostBytes = 2LL << 30;

std::string sha256_of_file(const fs::path& path) {
  Sha256 sum;
  sum.update(read_file(path, kMostBytes, ErrorCode::kCheckpoint));
  return sum.finish();
}

class EfficientNetExtractor : public FeatureExtractor {
 public:
  explicit EfficientNetExtractor(const fs::path& weights)
      : network_(1000, std::nullopt), hash_(sha256_of_file(weights)) {
    copy_into(all_tensors(network_), read_safetensors(weights));
    network_.eval();
  }

  std::string name() const override { return "EfficientNet-Lite0, ImageNet"; }
  std::string hash() const override { return hash_; }

  at::Tensor features(const at::Tensor& images) override {
    std::vector<at::Tensor> out;
    for (const auto& batch : images.split(kBatch)) {
      const auto n = batch.size(0);
      const int team = nn::team_size(n, batch.device());
      std::vector<at::Tensor> parts(static_cast<std::size_t>(team));
      nn::run_team(team, n, [&](int part, nn::Share share) {
        const c10::InferenceMode inference;
        const auto x = EfficientNetLite0::prepare(batch.narrow(0, share.begin, share.count));
        parts[static_cast<std::size_t>(part)] =
            network_.features(x.contiguous(at::MemoryFormat::ChannelsLast));
      });
      out.insert(out.end(), parts.begin(), parts.end());
    }
    return at::cat(out);
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
