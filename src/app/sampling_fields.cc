// SPDX-License-Identifier: MIT
#include "app/sampling_fields.h"

#include <random>

#include "training/options.h"

namespace medaug::app {
namespace {

constexpr std::int64_t kMostSteps = 1000;

std::int64_t random_seed() {
  std::random_device random;
  return static_cast<std::int64_t>(random() & 0x7FFFFFFFU);
}

}  // namespace

JobRequest sampling_request(RequestFields& fields, const HostedModel& model,
                            const SamplingNames& names) {
  const auto defaults = model.defaults();
  JobRequest request;
  if (!fields.has("prompt")) {
    refuse_field("prompt", "is missing; it may be empty");
  }
  request.prompt = fields.text("prompt", "");
  request.negative_prompt = fields.text("negative_prompt", "");
  request.count = fields.integer(names.count, 1, names.most_images).value_or(1);
  const auto largest = static_cast<std::int64_t>(kLargestSeed) - names.most_images;
  const auto seed = fields.integer("seed", 0, largest);
  request.seed = seed ? *seed : random_seed();
  request.sampler = defaults.sampler;
  request.guidance = defaults.guidance;
  request.sampler.steps = fields.integer("steps", 1, kMostSteps).value_or(defaults.sampler.steps);
  request.sampler.solver = *enum_from_name<Solver>(fields.choice(
      "solver", enum_choices<Solver>(), std::string(enum_name(defaults.sampler.solver))));
  request.guidance.text = fields.number(names.guidance, 0, 100).value_or(defaults.guidance.text);
  request.guidance.mask =
      fields.number(names.mask_guidance, 0, 100).value_or(defaults.guidance.mask);
  return request;
}

}  // namespace medaug::app
