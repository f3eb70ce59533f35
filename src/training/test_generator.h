// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/ATen.h>

#include "models/generator.h"

// A generator for tests: sixteen tokens of a 16 x 16 image, a few milliseconds a call.

namespace medaug {

inline GeneratorOptions tiny_options() {
  GeneratorOptions o;
  o.vocabulary = 20;
  o.text.dim = 16;
  o.text.layers = 1;
  o.text.heads = 2;
  o.dit.patch_size = 4;
  o.dit.dim = 32;
  o.dit.layers = 2;
  o.dit.heads = 2;
  o.dit.caption_dim = o.text.dim;
  return o;
}

/// Captions of five pieces and masks for n images.
inline Conditions tiny_conditions(std::int64_t n) {
  const auto o = tiny_options();
  Conditions c;
  c.tokens = at::randint(3, o.vocabulary, {n, 5}, at::kLong);
  c.token_mask = at::ones({n, 5}, at::kBool);
  c.mask = at::rand({n, o.dit.mask_classes, 16, 16}).round();
  c.mask_present = at::ones({n});
  return c;
}

/// All weights drawn anew: a fresh model's output does not depend on most of them.
inline void randomise(Generator& model, double deviation) {
  const at::NoGradGuard no_grad;
  for (auto& parameter : model.parameters()) {
    parameter.copy_(at::randn(parameter.sizes()) * deviation);
  }
}

}  // namespace medaug
