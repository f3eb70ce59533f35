// SPDX-License-Identifier: MIT
#include "analytic.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

namespace medaug::golden {

VelocityField recorded(const VelocityField& field, FieldRecord& record) {
  return [&field, &record](const at::Tensor& z, double time) {
    const auto rounded = static_cast<double>(at::full({}, time, z.scalar_type()).item<float>());
    record.times.push_back(rounded);
    record.states.push_back(z);
    return field(z, rounded);
  };
}

at::Tensor float64_tensor(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

}  // namespace medaug::golden
