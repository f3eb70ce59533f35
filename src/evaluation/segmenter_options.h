// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/fields.h"
#include "data/augment.h"

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

}  // namespace medaug
