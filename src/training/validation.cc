// SPDX-License-Identifier: MIT
#include "training/validation.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace medaug {
namespace {

// Sample i of n stands at its own quantile; the order is mixed so that no bin holds only the first
// records.
std::vector<double> spread_times(std::int64_t n, const FlowOptions& flow) {
  std::vector<double> spread;
  for (const auto place : permutation(n, RandomStream(2, Purpose::kValidation))) {
    spread.push_back(
        time_quantile(flow, (static_cast<double>(place) + 0.5) / static_cast<double>(n)));
  }
  return spread;
}

}  // namespace

std::vector<std::vector<std::int64_t>> of_one_size(const Dataset& data,
                                                   const std::vector<std::int64_t>& indices) {
  std::vector<std::vector<std::int64_t>> groups;
  for (const auto& places : places_by_size(data, indices)) {
    auto& group = groups.emplace_back();
    for (const auto place : places) {
      group.push_back(indices[place]);
    }
  }
  return groups;
}

Batch batch_of(const Dataset& data, const std::vector<std::int64_t>& indices) {
  Batch batch;
  std::vector<at::Tensor> images, masks;
  std::vector<float> present;
  for (const auto index : indices) {
    images.push_back(data.image(index));
    masks.push_back(data.mask(index));
    present.push_back(data.has_mask(index) ? 1.0F : 0.0F);
    batch.captions.push_back(data.record(index).caption);
  }
  batch.images = at::stack(images);
  batch.masks = at::stack(masks);
  batch.mask_present = at::tensor(present);
  batch.augment = at::zeros({batch.images.size(0), kAugmentFeatures});
  batch.indices = indices;
  batch.draws = indices;
  return batch;
}

ValidationResult validate_model(const Generator& model, const Dataset& data,
                                CaptionEncoder& captions, const FlowObjective& objective,
                                std::int64_t batch_size, std::int64_t most_samples) {
  const at::NoGradGuard no_grad;
  const auto device = model.parameters().front().device();
  const auto n = std::min(data.size(), most_samples);
  const auto times = spread_times(n, objective.flow);
  const auto time_of = [&](std::int64_t index) { return times[static_cast<std::size_t>(index)]; };
  ValidationResult result;
  std::array<double, 5> sums{};
  std::array<std::int64_t, 5> counts{};
  double total = 0.0;
  for (std::int64_t begin = 0; begin < n; begin += batch_size) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(std::min(batch_size, n - begin)));
    std::iota(all.begin(), all.end(), begin);
    for (const auto& indices : of_one_size(data, all)) {
      const auto samples = batch_of(data, indices);
      FlowBatch batch{model.to_z(samples.images.to(device)),
                      conditions_of(samples, captions, device), indices};
      FlowDraws draws;
      draws.noise = draw_noise(batch.images.sizes(), indices, 3, Purpose::kValidation);
      draws.time = at::empty({samples.images.size(0)}, at::TensorOptions().dtype(at::kFloat));
      std::transform(indices.begin(), indices.end(), draws.time.mutable_data_ptr<float>(),
                     [&](std::int64_t index) { return static_cast<float>(time_of(index)); });
      const auto losses = flow_loss(model, batch, draws, objective).to(at::kCPU, at::kDouble);
      for (std::size_t i = 0; i < indices.size(); ++i) {
        const double loss = losses[static_cast<std::int64_t>(i)].item<double>();
        const auto bin = static_cast<std::size_t>(std::clamp(time_of(indices[i]) * 5.0, 0.0, 4.0));
        sums[bin] += loss;
        ++counts[bin];
        total += loss;
      }
    }
  }
  result.loss = total / static_cast<double>(n);
  for (std::size_t k = 0; k < sums.size(); ++k) {
    result.by_time[k] = counts[k] > 0 ? sums[k] / static_cast<double>(counts[k]) : std::nan("");
  }
  return result;
}

BestAverage validate_averages(AdamW& optimizer, int averages,
                              const std::function<ValidationResult()>& validate) {
  BestAverage best;
  for (int k = averages > 0 ? 0 : -1; k < averages; ++k) {
    optimizer.use_average(k);
    const auto result = validate();
    best.log["average" + std::to_string(k)] = {{"loss", result.loss}, {"by_time", result.by_time}};
    if (!best.result || !std::isfinite(best.result->loss) || result.loss < best.result->loss) {
      best.result = result;
      best.average = k;
    }
  }
  optimizer.use_average(-1);
  return best;
}

}  // namespace medaug
