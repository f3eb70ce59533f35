// SPDX-License-Identifier: MIT
#include "training/distill.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "training/branches.h"

namespace medaug {
namespace {

using at::Tensor;

/// scale - 1 where the guidance acts, 0 elsewhere: (N, 1, 1, 1).
Tensor strength(double scale, const Tensor& time, const GuidanceOptions& guidance) {
  const auto acts = (time >= guidance.interval_low).logical_and(time <= guidance.interval_high);
  return (acts.to(at::kFloat) * (scale - 1.0)).view({-1, 1, 1, 1});
}

}  // namespace

Tensor guided_image(const Teacher& teacher, const Tensor& z, const Tensor& time,
                    const Conditions& conditions, const FlowOptions& flow) {
  const at::NoGradGuard no_grad;
  const bool text = teacher.guidance.text != 1.0, mask = teacher.guidance.mask != 1.0;
  std::vector<Branch> branches{Branch::kFull};
  if (text) {
    branches.push_back(Branch::kNoText);
  }
  if (mask) {
    branches.push_back(text ? Branch::kNothing : Branch::kNoMask);
  }
  const auto all = stack_branches(conditions, teacher.no_text, branches);
  const auto count = static_cast<std::int64_t>(branches.size());
  const auto zs = z.repeat({count, 1, 1, 1}), times = time.repeat({count});
  const auto features = teacher.model->encode_text(all);
  const auto predicted =
      teacher.model->predict(network_input(zs, times, flow), times, {features}, all);
  const auto images = to_image(predicted.to(at::kFloat), zs, times, flow).chunk(count);
  auto guided = images[0];
  std::size_t next = 1;
  if (text) {
    guided =
        guided + strength(teacher.guidance.text, time, teacher.guidance) * (images[0] - images[1]);
    ++next;
  }
  if (mask) {
    guided = guided + strength(teacher.guidance.mask, time, teacher.guidance) *
                          (images[next - 1] - images[next]);
  }
  return guided;
}

}  // namespace medaug
