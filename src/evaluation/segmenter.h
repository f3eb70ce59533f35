// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/loader.h"
#include "data/preprocess.h"
#include "evaluation/segmenter_options.h"
#include "models/unet.h"

namespace medaug {

/// What a segmenter's file says about it.
struct SegmenterInfo {
  UNetOptions net;
  PreprocessOptions preprocess;
  Json training = Json::object();  ///< options, numbers of images, data hash, held-out Dice
};

/// A U-Net that finds the classes of the masks in an image.
class Segmenter {
 public:
  Segmenter(SegmenterInfo info, std::shared_ptr<UNet> net);
  /// @throws Error kCheckpoint for a file that is no segmenter
  static Segmenter load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;

  /// @param images (N, C, H, W) in [-1, 1], as `preprocess_image` makes them with the segmenter's
  /// own options
  /// @return (N, K, H, W) float32 in [0, 1]
  at::Tensor probabilities(const at::Tensor& images) const;
  /// The U-Net's deepest level: a feature space of this kind of image. (N, D)
  at::Tensor features(const at::Tensor& images) const;

  const SegmenterInfo& info() const { return info_; }
  const UNet& network() const { return *net_; }
  /// SHA-256 of the file that it was loaded from; empty otherwise.
  std::string hash() const { return hash_; }

 private:
  SegmenterInfo info_;
  std::shared_ptr<UNet> net_;
  std::string hash_;
};

struct SegmenterProgress {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  double loss = 0.0;
  double held_out_dice = 0.0;  ///< latest, in [0, 1]
};

/// Soft Dice loss plus binary cross-entropy, mean over classes and images, images without a mask
/// left out; AdamW in bfloat16 with float32 master weights; the average of the weights with the
/// best mean Dice on `val` is kept.
/// @param preprocess  as `train` and `val` were read
/// @param on_step     false = stop and keep the best so far
/// @param start       weights to begin with, of a network of the same layout; none = random ones
/// @throws Error kData when no image has a mask, kNumeric when the loss is not finite
Segmenter train_segmenter(const std::shared_ptr<const Dataset>& train, const Dataset& val,
                          const PreprocessOptions& preprocess, const SegmenterOptions& options,
                          const std::function<bool(const SegmenterProgress&)>& on_step = {},
                          const Segmenter* start = nullptr);

/// Dice of each class of each image, NaN where the mask does not have the class; a prediction
/// counts from probability 0.5 on, a mask's pixel from half covered on.
/// @param probabilities, masks (N, K, H, W)  @return (N, K) float64
at::Tensor class_dice(const at::Tensor& probabilities, const at::Tensor& masks);

}  // namespace medaug
