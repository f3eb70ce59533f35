// SPDX-License-Identifier: MIT
#include "training/flow_step.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

#include "training/batch_gradients.h"

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

FlowBatch FlowBatch::narrow(std::int64_t begin, std::int64_t count) const {
  return {images.narrow(0, begin, count), conditions.narrow(begin, count), {}};
}

FlowDraws FlowDraws::narrow(std::int64_t begin, std::int64_t count) const {
  return {noise.narrow(0, begin, count), time.narrow(0, begin, count)};
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

at::Tensor posterior_noise(const Generator& model, at::IntArrayRef images,
                           std::span<const std::int64_t> draws, std::uint64_t seed) {
  constexpr std::uint64_t kOtherThanTheNoise = 0x9E3779B97F4A7C15;
  return draw_noise(model.z_shape(images[0], images[2], images[3]), draws,
                    seed ^ kOtherThanTheNoise, Purpose::kNoise);
}

at::Tensor flow_loss(const Generator& model, const FlowBatch& batch, const FlowDraws& draws,
                     const FlowObjective& objective) {
  const auto& flow = objective.flow;
  const auto device = batch.images.device();
  const auto noise = draws.noise.to(device);
  const auto time = draws.time.to(device);
  const auto z = interpolate(batch.images, noise, time, flow);  // (N, C, H, W)
  const auto caption = model.encode_text(batch.conditions);     // (N, L, Dc)
  const auto predicted = model.predict(network_input(z, time, flow), time, {caption},
                                       batch.conditions, objective.call);
  if (objective.teacher == nullptr) {
    return velocity_loss(predicted, batch.images, noise, z, time, flow);  // (N)
  }
  const auto image = guided_image(*objective.teacher, z, time, batch.conditions, flow);
  const auto t = time.view({-1, 1, 1, 1});
  const auto rest = (z - image * t) / ((1.0 - t).clamp_min(flow.clip) * flow.noise_scale);
  return velocity_loss(predicted, image, rest, z, time, flow);  // (N)
}

double flow_gradients(const Generator& model, const FlowBatch& batch, const FlowDraws& draws,
                      const FlowObjective& objective, double scale) {
  const auto images = batch.images.size(0);
  const auto loss = batch_gradients(
      nn::trained_parameters(model),
      {images, batch.images.device(), scale / static_cast<double>(images)}, [&](nn::Share share) {
        return flow_loss(model, batch.narrow(share.begin, share.count),
                         draws.narrow(share.begin, share.count), objective)
            .sum();
      });
  return loss / static_cast<double>(images);
}

}  // namespace medaug
