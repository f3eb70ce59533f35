// SPDX-License-Identifier: MIT
#include "flow/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace medaug {
namespace {

at::Tensor time_tensor(double time, const at::Tensor& like) {
  return at::full({}, time, like.options().dtype(at::kFloat));
}

double inner_product(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>();
}

}  // namespace

at::Tensor project_guidance(const at::Tensor& full, const at::Tensor& difference,
                            const GuidanceOptions& options) {
  auto projected = at::empty_like(difference);
  // Image by image: a reduction over a batch may add in another order than over one image.
  for (std::int64_t i = 0; i < difference.size(0); ++i) {
    const auto x = full[i];
    const auto d = difference[i];
    const double rms = std::sqrt(inner_product(d, d) / static_cast<double>(d.numel()));
    const double limit = rms > options.projected_rms ? options.projected_rms / rms : 1.0;
    const double square = inner_product(x, x);
    const double along = square > 0.0 ? limit * inner_product(d, x) / square : 0.0;
    projected[i].copy_(d * limit - x * ((1.0 - options.projected_eta) * along));
  }
  return projected;
}

GuidedField::GuidedField(BranchedPrediction predict, const FlowOptions& flow,
                         const GuidanceOptions& guidance)
    : predict_(std::move(predict)), flow_(flow), guidance_(guidance) {
  if (!std::isfinite(guidance.text) || !std::isfinite(guidance.mask)) {
    throw Error(ErrorCode::kInvalidArgument, "guidance", "the scale must be a finite number");
  }
}

std::vector<Branch> GuidedField::branches_at(double time) const {
  const bool acts = time >= guidance_.interval_low && time <= guidance_.interval_high && time < 1.0;
  const bool text = acts && guidance_.text != 1.0;
  const bool mask = acts && guidance_.mask != 1.0;
  if (text && mask) {
    return {Branch::kFull, Branch::kNoText, Branch::kNothing};
  }
  if (text) {
    return {Branch::kFull, Branch::kNoText};
  }
  return mask ? std::vector{Branch::kFull, Branch::kNoMask} : std::vector{Branch::kFull};
}

std::vector<at::Tensor> GuidedField::predict_images(const at::Tensor& z, double time,
                                                    std::span<const Branch> branches) {
  const auto count = static_cast<std::int64_t>(branches.size());
  const auto repeated = count == 1 ? z : at::cat(std::vector<at::Tensor>(branches.size(), z));
  const auto predicted = predict_(repeated, time, branches);  // (B N, C, H, W)
  MEDAUG_ASSERT(predicted.sizes() == repeated.sizes());
  evaluations_ += count;
  return to_image(predicted, repeated, time_tensor(time, z), flow_).chunk(count);
}

at::Tensor GuidedField::term(const at::Tensor& full, at::Tensor difference, double scale,
                             at::Tensor& momentum) const {
  if (scale > guidance_.projected_above) {
    if (momentum.defined()) {
      difference = difference + momentum * guidance_.projected_momentum;
    }
    momentum = difference;
    difference = project_guidance(full, difference, guidance_);
  }
  difference = difference * (scale - 1.0);
  if (guidance_.channels > 0 && guidance_.channels < difference.size(1)) {
    difference.slice(1, guidance_.channels).zero_();
  }
  return difference;
}

at::Tensor GuidedField::image(const at::Tensor& z, double time) {
  const auto branches = branches_at(time);
  const auto images = predict_images(z, time, branches);
  const auto& full = images.front();
  if (branches.size() == 1) {
    return full;
  }
  if (branches[1] == Branch::kNoMask) {
    return full + term(full, full - images[1], guidance_.mask, mask_momentum_);
  }
  auto guided = full + term(full, full - images[1], guidance_.text, text_momentum_);
  if (branches.size() == 3) {
    guided = guided + term(full, images[1] - images[2], guidance_.mask, mask_momentum_);
  }
  return guided;
}

at::Tensor GuidedField::operator()(const at::Tensor& z, double time) {
  if (flow_.prediction == Prediction::kVelocity && branches_at(time).size() == 1) {
    ++evaluations_;
    const Branch full = Branch::kFull;
    return to_velocity(predict_(z, time, {&full, 1}), z, time_tensor(time, z), flow_);
  }
  const double remaining = time < 1.0 ? 1.0 - time : flow_.clip;
  return (image(z, time) - z) / remaining;
}

}  // namespace medaug
