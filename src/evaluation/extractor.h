// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace medaug {

/// Turns images into feature vectors, in which sets of images are compared.
class FeatureExtractor {
 public:
  virtual ~FeatureExtractor() = default;
  virtual std::string name() const = 0;
  /// SHA-256 of the weights; what stands for them where there are none.
  virtual std::string hash() const = 0;
  /// @param images (N, C, H, W) float32 in [-1, 1], C = 1 or 3  @return (N, D) float32 or float64
  virtual at::Tensor features(const at::Tensor& images) = 0;
};

/// EfficientNet-Lite0 with ImageNet weights in safetensors.
/// @throws Error kCheckpoint for another file
std::unique_ptr<FeatureExtractor> efficientnet_extractor(const std::filesystem::path& weights);

/// Intensity and texture (evaluation/radiomics.h), without weights.
std::unique_ptr<FeatureExtractor> radiomics_extractor();

/// The weights that the set-up fetched: share/medaug beside the program or beside its folder.
std::optional<std::filesystem::path> find_weights(const std::string& file_name);

}  // namespace medaug
