// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "flow/guidance.h"
#include "models/generator.h"

// Guidance distillation (Meng et al., arXiv 2210.03142, stage one): a network learns to return at
// once what another one needs two or three evaluations for.

namespace medaug {

struct Teacher {
  std::shared_ptr<const Generator> model;
  GuidanceOptions guidance;  ///< scales and interval; projection is left out
  Conditions no_text;        ///< tokens and their mask of one empty caption, (1, L)
};

/// The teacher's guided x-hat, without gradient. Outside the interval of the guidance the scales
/// are 1.
/// @param z, time  (N, C, H, W), (N) float32  @return (N, C, H, W) float32
at::Tensor guided_image(const Teacher& teacher, const at::Tensor& z, const at::Tensor& time,
                        const Conditions& conditions, const FlowOptions& flow);

}  // namespace medaug
