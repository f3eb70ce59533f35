// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/fields.h"
#include "data/loader.h"
#include "data/preprocess.h"
#include "models/unet.h"

namespace medaug {

/// How a segmenter is trained.
struct SegmenterOptions {
  std::int64_t width = 32;  ///< channels of the U-Net's first level
  std::int64_t levels = 4;  ///< of the U-Net; fewer where the images are too small
  std::int64_t steps = 1500;
  std::int64_t batch_size = 16;
  double learning_rate = 2e-3;  ///< AdamW's peak, reached after a twentieth of the steps; cosine
  double weight_decay = 1e-2;
  double half_life = 500.0;  ///< of the average of the weights, in images
  std::uint64_t seed = 0;
  AugmentOptions augment = {.horizontal_flip = true,
                            .vertical_flip = false,
                            .probability = 0.7,
                            .rotation_deg = 20.0,
                            .scale = 0.2,
                            .shift = 0.1,
                            .brightness = 0.1,
                            .contrast = 0.2};
};

template <class Visitor>
void describe(Visitor& visit, SegmenterOptions& o) {
  visit(Field{.name = "width", .help = "channels of the first level", .min = 4, .max = 256},
        o.width);
  visit(Field{.name = "levels", .help = "levels of the U-Net", .min = 2, .max = 7}, o.levels);
  visit(Field{.name = "steps", .help = "optimiser steps", .min = 1, .max = 1e7}, o.steps);
  visit(Field{.name = "batch_size", .help = "images of a step", .min = 1, .max = 4096},
        o.batch_size);
  visit(Field{.name = "learning_rate", .help = "AdamW's peak", .min = 1e-7, .max = 1},
        o.learning_rate);
  visit(Field{.name = "weight_decay", .help = "AdamW's", .min = 0, .max = 1}, o.weight_decay);
  visit(Field{.name = "half_life",
              .help = "of the average of the weights, images",
              .min = 1,
              .max = 1e9},
        o.half_life);
}

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
  std::string hash() const { return hash_; }  ///< SHA-256 of the file; empty before it is saved

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

/// Mean of soft Dice loss and binary cross-entropy of each class, images without a mask left out;
/// AdamW in bfloat16 with float32 master weights; the average of the weights with the best mean
/// Dice on `val` is kept.
/// @param preprocess  as `train` and `val` were read
/// @param on_step     false = stop and keep the best so far
/// @throws Error kData when no image has a mask, kNumeric when the loss is not finite
Segmenter train_segmenter(const std::shared_ptr<const Dataset>& train, const Dataset& val,
                          const PreprocessOptions& preprocess, const SegmenterOptions& options,
                          const std::function<bool(const SegmenterProgress&)>& on_step = {});

/// Dice of each class of each image, NaN where the mask does not have the class; a prediction
/// counts from probability 0.5 on, a mask's pixel from half covered on.
/// @param probabilities, masks (N, K, H, W)  @return (N, K) float64
at::Tensor class_dice(const at::Tensor& probabilities, const at::Tensor& masks);

}  // namespace medaug
