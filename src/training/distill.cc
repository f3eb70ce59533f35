// SPDX-License-Identifier: MIT
#include "training/distill.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <vector>

namespace medaug {
namespace {

using at::Tensor;

// Branches along the batch, one call for all of them.
class Stack {
 public:
  void add(const Conditions& conditions, bool text, const Conditions& no_text, bool mask) {
    const auto n = conditions.tokens.size(0);
    const auto empty = [n](const Tensor& row) { return row.expand({n, row.size(1)}); };
    tokens_.push_back(text ? conditions.tokens : empty(no_text.tokens));
    token_masks_.push_back(text ? conditions.token_mask : empty(no_text.token_mask));
    if (conditions.mask.defined()) {
      masks_.push_back(conditions.mask);
      present_.push_back(mask ? conditions.mask_present : at::zeros_like(conditions.mask_present));
    }
    if (conditions.augment.defined()) {
      augment_.push_back(conditions.augment);
    }
  }

  Conditions joined() const {
    const auto join = [](const std::vector<Tensor>& parts) {
      return parts.empty() ? Tensor() : at::cat(parts);
    };
    return {join(tokens_), join(token_masks_), join(masks_), join(present_), join(augment_)};
  }
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }

 private:
  std::vector<Tensor> tokens_, token_masks_, masks_, present_, augment_;
};

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
  Stack branches;
  branches.add(conditions, true, teacher.no_text, true);
  if (text) {
    branches.add(conditions, false, teacher.no_text, true);
  }
  if (mask) {
    branches.add(conditions, !text, teacher.no_text, false);
  }
  const auto all = branches.joined();
  const auto count = branches.size();
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
