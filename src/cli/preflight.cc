// SPDX-License-Identifier: MIT
#include "cli/preflight.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>

#include "base/files.h"
#include "base/strings.h"
#include "cli/report.h"
#include "config/concat.h"
#include "training/setup.h"

namespace medaug::cli {
namespace {

// Of the speed of plain products, what a training step reaches: 0.49 of 0.9 TFLOP/s with
// convolutional ends (docs/notes/measurements.md).
constexpr double kStepShare = 0.5;
constexpr std::int64_t kRows = 2048;

bool on_gpu(const RunConfig& config) { return runs_on_cuda(config.training.device); }

/// FLOP/s of products of the run's width and precision on the run's device.
double product_speed(const RunConfig& config, std::int64_t dim) {
  const c10::InferenceMode inference;
  const bool half = config.training.use_amp && config.training.amp_dtype != AmpDtype::kFloat32;
  const auto options = at::TensorOptions()
                           .dtype(half ? at::kBFloat16 : at::kFloat)
                           .device(on_gpu(config) ? at::kCUDA : at::kCPU);
  const auto x = at::zeros({kRows, dim}, options);
  const auto w = at::zeros({4 * dim, dim}, options);
  double best = 0.0, spent = 0.0;
  for (int i = 0; i < 5 && spent < 0.5; ++i) {  // the first one sets up
    const auto begin = std::chrono::steady_clock::now();
    at::linear(x, w).flatten()[0].item<float>();  // waits for a GPU
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    spent += took.count();
    best = std::max(best, 8.0 * static_cast<double>(kRows * dim * dim) / took.count());
  }
  return best;
}

void estimate_time(const RunConfig& config, std::int64_t training_images, Preflight& out) {
  const auto& o = config.training;
  const double per_image = out.estimate.step_flops / static_cast<double>(o.effective_batch_size());
  out.images_per_second = kStepShare * product_speed(config, out.estimate.model.dim) / per_image;
  double images = 0.0;
  const auto budget = [&](double limit) {
    images = limit > 0.0 && (images == 0.0 || limit < images) ? limit : images;
  };
  budget(static_cast<double>(o.max_steps * o.effective_batch_size()));
  budget(static_cast<double>(o.num_epochs * training_images));
  budget(60.0 * o.max_minutes * out.images_per_second);
  out.images = static_cast<std::int64_t>(images);
  out.seconds = images / out.images_per_second;
}

}  // namespace

std::string Preflight::text() const {
  std::string text = concat({"about ", human_bytes(estimate.memory_bytes()), " of memory, ",
                             human_bytes(estimate.disk_bytes), " of checkpoints"});
  if (images > 0) {
    text += concat({", ", human_seconds(seconds), " for ", human_count(images),
                    " images (a guess from the speed of matrix products here)"});
  }
  return text;
}

Json Preflight::json() const {
  return {{"memory_bytes", estimate.memory_bytes()},
          {"checkpoint_bytes", estimate.checkpoint_bytes},
          {"disk_bytes", estimate.disk_bytes},
          {"free_disk_bytes", free_disk_bytes},
          {"step_flops", estimate.step_flops},
          {"parameters", estimate.parameters},
          {"images", images},
          {"images_per_second", images_per_second},
          {"seconds", seconds}};
}

Preflight preflight(const RunConfig& config, const RecordCounts& records) {
  Preflight out;
  out.estimate = estimate_run(config, records.train + records.val);
  out.free_disk_bytes = static_cast<double>(free_bytes(existing_part(config.run_folder)));
  estimate_time(config, records.train, out);
  return out;
}

std::string memory_problem(const RunConfig& config, const Estimate& estimate,
                           const Machine& machine) {
  if (on_gpu(config) || estimate.memory_bytes() <= static_cast<double>(machine.available_bytes)) {
    return {};
  }
  return concat({"about ", human_bytes(estimate.memory_bytes()),
                 " of memory (weights and optimiser ", human_bytes(estimate.weights_bytes),
                 ", one batch ", human_bytes(estimate.activations_bytes), ", images ",
                 human_bytes(estimate.data_bytes), ") does not fit into the ",
                 human_bytes(static_cast<double>(machine.available_bytes)), " free here"});
}

}  // namespace medaug::cli
