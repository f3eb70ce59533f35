// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "evaluation/segmenter.h"

namespace medaug {

/// Turns images into feature vectors, in which sets of images are compared.
class FeatureExtractor {
 public:
  virtual ~FeatureExtractor() = default;
  virtual std::string name() const = 0;
  /// SHA-256 of the weights; what stands for them where there are none.
  virtual std::string hash() const = 0;
  /// Features of different units: each is divided by its deviation in the real images before
  /// distances are taken.
  virtual bool has_units() const { return false; }
  /// @param images (N, C, H, W) float32 in [-1, 1], C = 1 or 3  @return (N, D) float32 or float64
  virtual at::Tensor features(const at::Tensor& images) = 0;
};

/// EfficientNet-Lite0 with ImageNet weights in safetensors.
/// @throws Error kCheckpoint for another file
std::unique_ptr<FeatureExtractor> efficientnet_extractor(const std::filesystem::path& weights);

/// ResNet-50 with weights that the user brings (evaluation/resnet_weights.h), its images normalised
/// as ImageNet's. @throws Error kCheckpoint for another file
std::unique_ptr<FeatureExtractor> resnet50_extractor(const std::filesystem::path& weights);

/// Intensity and texture (evaluation/radiomics.h), without weights.
std::unique_ptr<FeatureExtractor> radiomics_extractor();

/// The deepest level of a segmenter: what matters in this kind of image.
std::unique_ptr<FeatureExtractor> segmenter_extractor(std::shared_ptr<const Segmenter> segmenter);

constexpr const char* kEfficientNetWeights = "efficientnet_lite0.safetensors";

/// The weights that the set-up fetched: share/medaug beside the program, or of the prefix that it
/// is installed in.
std::optional<std::filesystem::path> find_weights(const std::string& file_name);

}  // namespace medaug
