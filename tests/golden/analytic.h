// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "flow/sampler.h"

namespace medaug::golden {

/// Writes down what a solver asks of a field. Times are rounded to the dtype of the state first, as
/// torchdiffeq does.
struct FieldRecord {
  std::vector<double> times;
  std::vector<at::Tensor> states;
};

/// `field` with its calls written into `record`, which must outlive the result.
VelocityField recorded(const VelocityField& field, FieldRecord& record);

at::Tensor float64_tensor(const std::vector<double>& values);

}  // namespace medaug::golden
