// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fields.h"
#include "data/augment.h"

namespace medaug {

enum class ClassifierNetwork { kEfficientNetLite0, kResNet50, kSmall };
template <>
struct EnumNames<ClassifierNetwork> {
  static constexpr std::pair<ClassifierNetwork, std::string_view> kNames[] = {
      {ClassifierNetwork::kEfficientNetLite0, "efficientnet_lite0"},
      {ClassifierNetwork::kResNet50, "resnet50"},
      {ClassifierNetwork::kSmall, "small"}};
};

/// How a classifier is trained.
struct ClassifierOptions {
  ClassifierNetwork network = ClassifierNetwork::kEfficientNetLite0;
  std::string weights;  ///< of the network, trained elsewhere; empty = those of the set-up
  bool from_scratch = false;
  std::int64_t input_side = 0;  ///< pixels the network reads; 0 = chosen (classifier_side)
  std::int64_t epochs = 20;     ///< over the training images; as many looks at the validation set
  std::int64_t steps = 0;       ///< optimiser steps instead; 0 = as the epochs say
  std::int64_t batch_size = 32;
  std::optional<double> learning_rate;  ///< AdamW's peak; none = by the network
  double weight_decay = 0.05;
  double label_smoothing = 0.1;
  bool balanced = true;  ///< every class is drawn equally often
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
void describe(Visitor& visit, ClassifierOptions& o) {
  visit(Field{.name = "network", .help = "what is trained"}, o.network);
  visit(Field{.name = "weights", .help = "its first weights; empty = those of the set-up"},
        o.weights);
  visit(Field{.name = "from_scratch", .help = "begin with random weights"}, o.from_scratch);
  visit(Field{.name = "input_side",
              .help = "pixels the network reads; 0 = chosen",
              .min = 0,
              .max = 1024},
        o.input_side);
  visit(Field{.name = "epochs", .help = "passes over the training images", .min = 1, .max = 1e6},
        o.epochs);
  visit(Field{.name = "steps", .help = "optimiser steps; 0 = as epochs says", .min = 0, .max = 1e7},
        o.steps);
  visit(Field{.name = "batch_size", .help = "images of a step", .min = 2, .max = 4096},
        o.batch_size);
  visit(Field{.name = "learning_rate",
              .help = "AdamW's peak; null = by the network",
              .min = 1e-7,
              .max = 1},
        o.learning_rate);
  visit(Field{.name = "weight_decay", .help = "AdamW's", .min = 0, .max = 1}, o.weight_decay);
  visit(
      Field{.name = "label_smoothing", .help = "share given to all classes", .min = 0, .max = 0.9},
      o.label_smoothing);
  visit(Field{.name = "balanced", .help = "every class is drawn equally often"}, o.balanced);
  visit(Field{.name = "seed", .help = "of first weights, order and changes", .min = 0}, o.seed);
}

}  // namespace medaug
