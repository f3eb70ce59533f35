// SPDX-License-Identifier: MIT
#include "training/flow_step.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

namespace medaug {

at::Tensor draw_noise(at::IntArrayRef shape, std::span<const std::int64_t> keys, std::uint64_t seed,
                      Purpose purpose) {
  auto noise = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  const auto each = static_cast<std::size_t>(noise.numel() / shape[0]);
  auto* data = noise.mutable_data_ptr<float>();
  at::parallel_for(0, shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      const auto key = static_cast<std::uint64_t>(keys[static_cast<std::size_t>(i)]);
      RandomStream(seed, purpose, key)
          .fill_normal({data + static_cast<std::size_t>(i) * each, each});
    }
  });
  return noise;
}

FlowDraws draw_noise_and_time(const FlowBatch& batch, const FlowOptions& options,
                              std::uint64_t seed) {
  FlowDraws draws;
  draws.noise = draw_noise(batch.images.sizes(), batch.draws, seed, Purpose::kNoise);
  draws.time = at::empty({batch.images.size(0)}, at::TensorOptions().dtype(at::kFloat));
  auto* time = draws.time.mutable_data_ptr<float>();
  // Consecutive draws take evenly spread quantiles (additive recurrence of the golden ratio): less
  // noise in the gradient than independent times, and still a function of the draw alone.
  const double start = RandomStream(seed, Purpose::kTime).uniform();
  for (const auto draw : batch.draws) {
    const double place = start + static_cast<double>(draw) * (std::numbers::phi - 1.0);
    *time++ = static_cast<float>(time_quantile(options, place - std::floor(place)));
  }
  return draws;
}

at::Tensor flow_loss(const Generator& model, const FlowBatch& batch, const FlowDraws& draws,
                     const FlowOptions& options, const NextDiTCall& call) {
  const auto device = batch.images.device();
  const auto noise = draws.noise.to(device);
  const auto time = draws.time.to(device);
  const auto z = interpolate(batch.images, noise, time, options);  // (N, C, H, W)
  const auto caption = model.encode_text(batch.conditions);        // (N, L, Dc)
  const auto predicted =
      model.predict(network_input(z, time, options), time, caption, batch.conditions, call);
  return velocity_loss(predicted, batch.images, noise, z, time, options);  // (N)
}

}  // namespace medaug
