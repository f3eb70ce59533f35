// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "training/adapter_file.h"
#include "training/sample_grid.h"
#include "training/session.h"

namespace medaug::internal {
namespace {

/// Writes what only informs: it must not end a run.
template <class Write>
void unless_disk_is_full(const Write& write) {
  try {
    write();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResource) {
      throw;
    }
    log_warning(std::string(e.what()) + "\n  training goes on without it");
  }
}

}  // namespace

ModelInfo Session::model_info() const {
  ModelInfo info;
  info.generator = model_->options();
  info.preprocess = data_.preprocess;
  info.flow = flow_;
  info.sampler = config_.sampler;
  info.guidance = sampling_guidance();
  info.tokenizer = captions_->tokenizer().serialized();
  info.example_captions = example_captions(*data_.train);
  info.training = {{"step", state_.step},
                   {"images_seen", state_.draws},
                   {data_.val ? "validation_loss" : "training_loss", state_.validation_loss},
                   {"seed", options_.seed},
                   {"training_images", data_.train->size()},
                   {"data_hash", std::to_string(data_.train->content_hash())}};
  if (teacher_) {
    info.training["distilled_guidance"] = to_json(config_.guidance);
    info.training["distilled_from"] = taught_by_->sha256;
  }
  if (base_) {
    info.training["init_from"] = base_->weights.sha256;
    info.frozen = with_whole_paths(base_->weights.info.frozen, base_->path.parent_path());
  }
  return info;
}

/// The weights of the average that is best so far: a whole model, or what goes over its base.
CheckpointFile Session::inference_file() const {
  const auto weights = optimizer_->weights(static_cast<int>(state_.average));
  if (config_.lora.rank == 0) {
    return {kInferenceFile, [this, weights](const std::filesystem::path& path) {
              write_model_file(path, model_info(), weights);
            }};
  }
  const auto base = std::filesystem::absolute(base_->path);
  auto from_run = base.lexically_relative(std::filesystem::absolute(config_.run_folder));
  AdapterInfo info{config_.lora, (from_run.empty() ? base : from_run).generic_string(),
                   base_->weights.sha256, model_info()};
  return {kAdapterFile, [info, weights](const std::filesystem::path& path) {
            write_adapter_file(path, info, weights);
          }};
}

void Session::keep_best(double loss, int average) {
  const auto before = state_;
  state_.best_loss = loss;
  state_.best_step = state_.step;
  state_.validations_without_gain = 0;
  state_.average = average;
  saved_step_ = -1;  // what this step has on the disk may be another average
  save();
  if (saved_step_ != state_.step) {
    state_ = before;  // there was no room for it: the best one is still the one that is kept
  }
}

void Session::validate() {
  Json entry{{"step", state_.step}, {"elapsed_seconds", elapsed()}, {"images_seen", state_.draws}};
  auto best = BestAverage{.average = options_.averages() > 0 ? 0 : -1};
  if (data_.val) {
    best = validate_averages(*optimizer_, options_.averages(), [this] {
      return validate_model(*model_, *data_.val, *captions_, objective(), options_.batch_size);
    });
    entry.update(best.log);
  }
  const double loss = best.result ? best.result->loss : last_loss_;
  if (!std::isfinite(loss)) {
    report("the validation loss is not finite: this model is not kept");
    return;
  }
  state_.validation_loss = loss;
  state_.validated_step = state_.step;
  ++state_.validations_without_gain;
  log_->validation(entry);
  if (!data_.val || state_.best_step < 0 || loss < state_.best_loss) {
    keep_best(loss, best.average);
  }
  summarise();
  report({}, best.result);
}

void Session::summarise(const std::string& why_ended) {
  unless_disk_is_full([&] {
    log_->write_summary({{"config", config_.file.string()},
                         {"step", state_.step},
                         {"images_seen", state_.draws},
                         {"elapsed_seconds", elapsed()},
                         {"why_ended", why_ended.empty() ? Json() : Json(why_ended)},
                         {"best_loss", state_.best_step < 0 ? Json() : Json(state_.best_loss)},
                         {"best_step", state_.best_step}});
  });
}

void Session::samples() {
  if (options_.sample_count == 0) {
    return;
  }
  optimizer_->use_average(options_.averages() > 0 ? 0 : -1);
  const auto& data = data_.val ? *data_.val : *data_.train;
  const auto path = store_->paths().samples / ("step-" + std::to_string(state_.step) + ".png");
  unless_disk_is_full([&] {
    write_sample_grid(path, *model_, data, *captions_,
                      {flow_, config_.sampler, sampling_guidance(), {}}, options_.sample_count,
                      "step " + std::to_string(state_.step));
  });
  optimizer_->use_average(-1);
}

void Session::save() {
  if (saved_step_ == state_.step) {
    return;
  }
  if (!optimizer_->is_finite()) {
    throw Error(ErrorCode::kNumeric, "step " + std::to_string(state_.step),
                "a weight is not finite; nothing was saved, the checkpoint before stands",
                "lower training.learning_rate and go on with --resume");
  }
  summarise();
  auto state = state_;
  state.elapsed_seconds = elapsed();
  if (store_->save(state, optimizer_->state(), captions_->tokenizer().serialized(),
                   inference_file())) {
    saved_step_ = state_.step;
  }
}

void Session::report(const std::string& note, std::optional<ValidationResult> validation) {
  if (!request_.on_progress) {
    return;
  }
  const double now = monotonic_seconds();
  TrainProgress p;
  p.step = state_.step;
  p.loss = window_.steps > 0 ? window_.loss_sum / static_cast<double>(window_.steps) : last_loss_;
  p.gradient_norm = last_norm_;
  p.learning_rate = last_lr_;
  p.images_per_second = static_cast<double>(state_.draws - window_.draws_before) /
                        std::max(1e-9, now - window_.begin);
  p.progress = used();
  p.waiting_share = loader_->waited_seconds() / std::max(1e-9, now - started_);
  p.validation = validation;
  p.note = note;
  request_.on_progress(p);
}

}  // namespace medaug::internal
