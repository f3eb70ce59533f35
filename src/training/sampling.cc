// SPDX-License-Identifier: MIT
#include "training/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>

#include <vector>

#include "training/flow_step.h"

namespace medaug {
namespace {

using at::Tensor;

struct BranchInputs {
  Tensor caption;
  Conditions conditions;
};

BranchInputs inputs_of(Branch branch, const SamplingRequest& request, const Tensor& text,
                       const Tensor& no_text) {
  const bool with_text = branch == Branch::kFull || branch == Branch::kNoMask;
  BranchInputs inputs{with_text ? text : no_text, request.conditions};
  inputs.conditions.token_mask =
      with_text ? request.conditions.token_mask : request.no_text.token_mask;
  if ((branch == Branch::kNoMask || branch == Branch::kNothing) &&
      inputs.conditions.mask.defined()) {
    inputs.conditions.mask_present = at::zeros_like(inputs.conditions.mask_present);
  }
  return inputs;
}

Tensor join(const std::vector<Tensor>& parts) {
  return !parts.front().defined() || parts.size() == 1 ? parts.front() : at::cat(parts);
}

// Branches along the batch: one call of the network for all of them.
BranchInputs stack_branches(std::span<const Branch> branches, const SamplingRequest& request,
                            const Tensor& text, const Tensor& no_text) {
  std::vector<Tensor> captions, token_masks, masks, present;
  for (const auto branch : branches) {
    const auto one = inputs_of(branch, request, text, no_text);
    captions.push_back(one.caption);
    token_masks.push_back(one.conditions.token_mask);
    masks.push_back(one.conditions.mask);
    present.push_back(one.conditions.mask_present);
  }
  BranchInputs all;
  all.caption = join(captions);
  all.conditions.token_mask = join(token_masks);
  all.conditions.mask = join(masks);
  all.conditions.mask_present = join(present);
  return all;
}

}  // namespace

Tensor sample_images(const Generator& model, const SamplingRequest& request,
                     const SamplingSettings& settings, const StepCallback& on_step) {
  const c10::InferenceMode inference;
  const auto n = static_cast<std::int64_t>(request.seeds.size());
  const auto channels = model.options().dit.in_channels;
  const auto device = request.conditions.tokens.device();
  const auto text = model.encode_text(request.conditions);
  const auto no_text = request.no_text.tokens.defined() ? model.encode_text(request.no_text) : text;
  const auto predict = [&](const Tensor& z, double time, std::span<const Branch> branches) {
    const auto inputs = stack_branches(branches, request, text, no_text);
    const auto times = at::full({z.size(0)}, time, z.options());
    return model
        .predict(network_input(z, times, settings.flow), times, inputs.caption, inputs.conditions,
                 settings.call)
        .to(at::kFloat);
  };
  GuidedField field(predict, settings.flow, settings.guidance);
  const auto noise = draw_noise({n, channels, request.height, request.width}, request.seeds, 0,
                                Purpose::kSampling);
  const auto z = noise.to(device) * settings.flow.noise_scale;
  const auto grid = time_grid(settings.sampler);
  const auto x = integrate([&](const Tensor& state, double time) { return field(state, time); }, z,
                           grid, settings.sampler, on_step);
  return x.clamp(-1.0, 1.0);
}

}  // namespace medaug
