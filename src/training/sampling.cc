// SPDX-License-Identifier: MIT
#include "training/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/where.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <map>
#include <vector>

#include "nn/team.h"
#include "training/branches.h"
#include "training/flow_step.h"

namespace medaug {
namespace {

using at::Tensor;

/// What one call of the network is given beside the image and the time.
struct BranchInputs {
  EncodedText text;
  Conditions conditions;
};

/// The inputs of every set of branches, made when it is first asked for: the captions' keys and
/// values do not depend on the step.
class Branches {
 public:
  Branches(const Generator& model, const SamplingRequest& request)
      : model_(model),
        request_(request),
        text_(model.encode_text(request.conditions)),
        no_text_(request.no_text.tokens.defined() ? model.encode_text(request.no_text) : text_) {}

  /// Branches along the batch: one call of the network for all of them.
  const BranchInputs& stacked(std::span<const Branch> branches) {
    const std::vector<Branch> key(branches.begin(), branches.end());
    const auto found = made_.find(key);
    return found != made_.end() ? found->second : made_.emplace(key, make(key)).first->second;
  }

 private:
  BranchInputs make(const std::vector<Branch>& branches) const {
    BranchInputs all;
    all.conditions = stack_branches(request_.conditions, request_.no_text, branches);
    std::vector<Tensor> captions;
    for (const auto branch : branches) {
      captions.push_back(sees_text(branch) ? text_ : no_text_);
    }
    all.text.features = at::cat(captions);
    all.text.heads = model_.dit().caption_heads(all.text.features);
    return all;
  }

  const Generator& model_;
  const SamplingRequest& request_;
  Tensor text_, no_text_;
  std::map<std::vector<Branch>, BranchInputs> made_;
};

/// Of one part.
struct PartWatch {
  StepCallback on_step;
  std::function<void(const Tensor& estimate)> on_estimate;
};

/// The velocity of a field inside of `region`, outside of it that of the straight path from `noise`
/// to `image`, which every solver follows exactly.
VelocityField kept_outside(VelocityField field, const Tensor& region, const Tensor& image,
                           const Tensor& noise) {
  return [field = std::move(field), region, path = image - noise](const Tensor& z, double time) {
    return at::where(region, field(z, time), path);
  };
}

/// Latents that hold a pixel of the region.
Tensor z_region(const Tensor& region, std::int64_t downscale) {
  return downscale == 1 ? region
                        : at::max_pool2d(region.to(at::kFloat), {downscale, downscale}).gt(0.0);
}

Tensor sample_part(const Generator& model, const SamplingRequest& request,
                   const SamplingSettings& settings, const PartWatch& watch) {
  const c10::InferenceMode inference;
  const auto n = static_cast<std::int64_t>(request.seeds.size());
  const auto device = request.conditions.tokens.device();
  Branches inputs_of(model, request);
  const auto predict = [&](const Tensor& z, double time, std::span<const Branch> branches) {
    const auto& inputs = inputs_of.stacked(branches);
    const auto times = at::full({z.size(0)}, time, z.options());
    return model
        .predict(network_input(z, times, settings.flow), times, inputs.text, inputs.conditions,
                 settings.call)
        .to(at::kFloat);
  };
  GuidedField field(predict, settings.flow, settings.guidance);
  const auto noise = draw_noise(model.z_shape(n, request.height, request.width), request.seeds, 0,
                                Purpose::kSampling);
  const auto z = noise.to(device) * settings.flow.noise_scale;
  VelocityField velocity = [&field](const Tensor& state, double time) {
    return field(state, time);
  };
  if (request.init.defined()) {
    const auto region = z_region(request.region, model.options().downscale);
    velocity = kept_outside(velocity, region, model.to_z(request.init), z);
  }
  Tensor estimate;
  if (watch.on_estimate) {
    velocity = [inner = std::move(velocity), &estimate](const Tensor& state, double time) {
      auto v = inner(state, time);
      estimate = state + v * (1.0 - time);
      return v;
    };
  }
  const auto after_step = [&](std::int64_t step, std::int64_t steps, const Tensor& state) {
    if (watch.on_estimate) {
      watch.on_estimate(estimate);
    }
    return watch.on_step(step, steps, state);
  };
  const auto x = model
                     .to_images(integrate(velocity, z, time_grid(settings.sampler),
                                          settings.sampler, after_step))
                     .clamp(-1, 1);
  return request.init.defined() ? at::where(request.region, x, request.init) : x;
}

SamplingRequest narrowed(const SamplingRequest& request, nn::Share share) {
  auto part = request;
  part.conditions = request.conditions.narrow(share.begin, share.count);
  part.no_text = request.no_text.narrow(share.begin, share.count);
  if (request.init.defined()) {
    part.init = request.init.narrow(0, share.begin, share.count);
    part.region = request.region.narrow(0, share.begin, share.count);
  }
  part.seeds = request.seeds.subspan(static_cast<std::size_t>(share.begin),
                                     static_cast<std::size_t>(share.count));
  return part;
}

}  // namespace

Tensor sample_images(const Generator& model, const SamplingRequest& request,
                     const SamplingSettings& settings, const SamplingWatch& watch) {
  const auto images = static_cast<std::int64_t>(request.seeds.size());
  // An adaptive solver's steps follow its whole batch.
  const int team = is_adaptive(settings.sampler.solver)
                       ? 1
                       : nn::team_size(images, request.conditions.tokens.device());
  std::vector<Tensor> parts(static_cast<std::size_t>(team));
  std::atomic<bool> cancelled{false};
  nn::run_team(team, images, [&](int part, nn::Share share) {
    PartWatch part_watch;
    part_watch.on_step = [&](std::int64_t step, std::int64_t steps, const Tensor& z) {
      if (part == 0 && watch.on_step && !watch.on_step(step, steps, z)) {
        cancelled = true;
      }
      return !cancelled;
    };
    if (watch.on_estimate) {
      part_watch.on_estimate = [&](const Tensor& estimate) {
        watch.on_estimate(share.begin, estimate);
      };
    }
    parts[static_cast<std::size_t>(part)] =
        sample_part(model, narrowed(request, share), settings, part_watch);
  });
  return team == 1 ? parts.front() : at::cat(parts);
}

}  // namespace medaug
