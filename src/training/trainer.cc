// SPDX-License-Identifier: MIT
#include "training/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/strings.h"
#include "training/budget.h"
#include "training/metric_log.h"
#include "training/model_file.h"
#include "training/optimizer.h"
#include "training/run_data.h"
#include "training/run_store.h"
#include "training/sample_grid.h"
#include "training/setup.h"

namespace medaug {
namespace {

constexpr std::int64_t kNotFiniteInARow = 3;
constexpr std::int64_t kMostWaysBack = 2;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// One run from start or resume to its end.
class Session {
 public:
  Session(const TrainRequest& request, ProcessGroup& processes)
      : request_(request),
        config_(request.config),
        options_(request.config.training),
        processes_(processes),
        store_(config_.run_folder, options_.keep_last),
        device_(pick_device(options_.device, "training.device")) {
    if (options_.threads > 0) {
      at::set_num_threads(static_cast<int>(options_.threads));
    }
    data_ = load_run_data(config_);
    flow_ = settled_flow(config_.flow, data_);
    open();
  }

  TrainResult run();

 private:
  void open();
  Tokenizer open_tokenizer(const std::optional<StoredStep>& stored) const;
  void start_loader();
  void build(const std::string& tokenizer);
  double backward_once();
  bool optimise();
  void not_finite(double loss, double norm);
  void go_back();
  void after_step();
  void validate();
  void keep_best(double loss, int average);
  void save();
  void samples();
  void report(const std::string& note = {}, std::optional<ValidationResult> validation = {});
  ModelInfo model_info(double loss) const;
  double elapsed() const { return state_.elapsed_seconds + (now_seconds() - started_); }
  double used() const { return budget_used(options_, state_.step, data_.train->size(), elapsed()); }

  const TrainRequest& request_;
  const RunConfig& config_;
  const TrainingOptions& options_;
  ProcessGroup& processes_;
  RunStore store_;
  at::Device device_;
  RunData data_;
  FlowOptions flow_;  ///< with the mean and deviation of the training images
  std::unique_ptr<CaptionEncoder> captions_;
  std::unique_ptr<Generator> model_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<MetricLog> log_;
  std::unique_ptr<Interval> validate_due_, save_due_, sample_due_;
  RunState state_;
  double started_ = 0.0;  ///< monotonic clock at the start of this session
  double last_loss_ = 0.0, last_norm_ = 0.0, last_lr_ = 0.0;
  double loss_sum_ = 0.0;  ///< since the last report
  std::int64_t loss_count_ = 0;
  double report_time_ = 0.0;
  std::int64_t report_draws_ = 0;
  std::int64_t bad_in_a_row_ = 0;
  std::int64_t saved_step_ = -1;
  bool early_stop_ = false;
  int best_average_ = 0;  ///< the moving average that inference files are made of
  double last_validation_ = 0.0;
};

Tokenizer Session::open_tokenizer(const std::optional<StoredStep>& stored) const {
  if (stored) {
    return Tokenizer::load(stored->tokenizer);
  }
  return Tokenizer::train(captions_of(*data_.train), config_.text.vocabulary,
                          static_cast<std::uint64_t>(options_.seed));
}

void Session::open() {
  const auto identity = run_identity(config_, *data_.train);
  std::optional<StoredStep> stored;
  if (request_.resume) {
    stored = store_.newest(identity);
  } else {
    store_.require_new();
  }
  auto tokenizer = open_tokenizer(stored);
  const auto seed = static_cast<std::uint64_t>(options_.seed);
  model_ =
      std::make_unique<Generator>(model_options(config_, data_.preprocess, tokenizer.size()), seed);
  model_->to(device_);
  const auto averages = options_.averages();
  optimizer_ = std::make_unique<AdamW>(
      named_parameters(*model_),
      AdamWOptions{options_.beta1, options_.beta2, options_.eps, options_.weight_decay},
      compute_dtype(options_), averages, muon_options(options_));
  captions_ = std::make_unique<CaptionEncoder>(std::move(tokenizer), config_.text.max_tokens);
  best_average_ = averages > 0 ? 0 : -1;
  if (stored) {
    optimizer_->load_state(stored->tensors);
    state_ = stored->state;
    saved_step_ = state_.step;
  }
  store_.begin(identity, run_config_yaml(config_));
  log_ = std::make_unique<MetricLog>(config_.run_folder / "logs", stored ? state_.step : -1);
  validate_due_ = std::make_unique<Interval>(
      options_.validate_every, options_.validate_every_minutes, state_.elapsed_seconds);
  save_due_ = std::make_unique<Interval>(options_.save_every, options_.save_every_minutes,
                                         state_.elapsed_seconds);
  sample_due_ = std::make_unique<Interval>(options_.sample_every, options_.sample_every_minutes,
                                           state_.elapsed_seconds);
  start_loader();
}

void Session::start_loader() {
  LoaderOptions loader;
  loader.batch_size = options_.batch_size;
  loader.num_workers = static_cast<int>(config_.data.num_workers);
  loader.seed = static_cast<std::uint64_t>(options_.seed);
  loader.augment = config_.augment;
  loader_ = std::make_unique<Loader>(data_.train, loader, state_.draws);
}

/// Forward and backward of one batch. @return its mean loss
double Session::backward_once() {
  auto batch = loader_->next();
  FlowBatch inputs;
  inputs.draws = batch.draws;
  inputs.images = batch.images.to(device_);
  inputs.conditions = dropped_conditions(std::move(batch), *captions_, options_, device_);
  const auto draws = draw_noise_and_time(inputs, flow_, static_cast<std::uint64_t>(options_.seed));
  NextDiTCall call;
  call.checkpoint_activations = options_.checkpoint_activations;
  const auto loss = flow_loss(*model_, inputs, draws, flow_, call).mean();
  (loss / static_cast<double>(options_.accumulation)).backward();
  if (options_.accumulation > 1) {
    optimizer_->accumulate_gradients();
  }
  state_.draws += options_.batch_size;
  return loss.item<double>();
}

/// One optimiser step. @return false when it was skipped because something was not finite
bool Session::optimise() {
  double loss = 0.0;
  for (std::int64_t i = 0; i < options_.accumulation; ++i) {
    loss += backward_once() / static_cast<double>(options_.accumulation);
  }
  last_loss_ = processes_.mean(loss);
  last_norm_ = optimizer_->gradient_norm();
  last_lr_ = learning_rate_at(options_, state_.step, used()) * state_.lr_factor;
  ++state_.step;
  const bool finite = !processes_.any(!std::isfinite(last_loss_) || !std::isfinite(last_norm_));
  if (finite) {
    const double scale =
        options_.grad_clip > 0.0 ? clip_scale(last_norm_, options_.grad_clip) : 1.0;
    optimizer_->step(last_lr_, scale, average_decays(options_, state_.step));
    bad_in_a_row_ = 0;
    loss_sum_ += last_loss_;
    ++loss_count_;
  }
  optimizer_->clear_gradients();
  return finite;
}

void Session::not_finite(double loss, double norm) {
  ++state_.skipped_steps;
  ++bad_in_a_row_;
  report("step " + std::to_string(state_.step) + " was skipped: loss " + std::to_string(loss) +
         ", gradient norm " + std::to_string(norm));
  if (bad_in_a_row_ >= kNotFiniteInARow) {
    go_back();
  }
}

void Session::go_back() {
  if (!store_.has_checkpoint() || state_.ways_back >= kMostWaysBack) {
    throw Error(ErrorCode::kNumeric, "step " + std::to_string(state_.step),
                "the loss or its gradient was not finite " + std::to_string(bad_in_a_row_) +
                    " times in a row",
                "lower training.learning_rate, or set training.use_amp to false to see whether "
                "precision is the cause");
  }
  const auto stored = store_.newest(run_identity(config_, *data_.train));
  const auto ways_back = state_.ways_back + 1;
  const double lr_factor = state_.lr_factor * 0.5;
  const double elapsed_seconds = elapsed();
  optimizer_->load_state(stored.tensors);
  state_ = stored.state;
  state_.ways_back = ways_back;
  state_.lr_factor = lr_factor;
  state_.elapsed_seconds = elapsed_seconds;
  started_ = now_seconds();
  bad_in_a_row_ = 0;
  start_loader();
  report("went back to step " + std::to_string(state_.step) + " with half the learning rate");
}

ModelInfo Session::model_info(double loss) const {
  ModelInfo info;
  info.generator = model_->options();
  info.preprocess = data_.preprocess;
  info.flow = flow_;
  info.sampler = config_.sampler;
  info.guidance = config_.guidance;
  info.tokenizer = captions_->tokenizer().serialized();
  info.example_captions = example_captions(*data_.train);
  info.training = {{"step", state_.step},
                   {"images_seen", state_.draws},
                   {"validation_loss", loss},
                   {"seed", options_.seed},
                   {"training_images", data_.train->size()},
                   {"data_hash", std::to_string(data_.train->content_hash())}};
  return info;
}

void Session::keep_best(double loss, int average) {
  state_.best_loss = loss;
  state_.best_step = state_.step;
  state_.validations_without_gain = 0;
  best_average_ = average;
  save();
  if (saved_step_ == state_.step) {
    store_.set_best(state_.step);
  }
}

void Session::validate() {
  const auto averages = options_.averages();
  std::optional<ValidationResult> best;
  int best_average = -1;
  Json entry{{"step", state_.step}, {"elapsed_seconds", elapsed()}, {"images_seen", state_.draws}};
  for (int k = averages > 0 ? 0 : -1; k < averages; ++k) {
    if (data_.val) {
      optimizer_->use_average(k);
      const auto result =
          validate_model(*model_, *data_.val, *captions_, flow_, options_.batch_size);
      entry["average" + std::to_string(k)] = {{"loss", result.loss}, {"by_time", result.by_time}};
      if (!best || result.loss < best->loss) {
        best = result;
        best_average = k;
      }
    } else {
      best_average = std::min(0, averages - 1);
      break;
    }
  }
  optimizer_->use_average(-1);
  const double loss = best ? best->loss : last_loss_;
  if (!std::isfinite(loss)) {
    report("the validation loss is not finite: this model is not kept");
    return;
  }
  last_validation_ = loss;
  ++state_.validations_without_gain;
  if (!data_.val || state_.best_step < 0 || loss < state_.best_loss) {
    keep_best(loss, best_average);
  }
  log_->validation(entry);
  log_->write_summary({{"config", config_.file.string()},
                       {"best_loss", state_.best_loss},
                       {"best_step", state_.best_step}});
  early_stop_ = options_.early_stop_patience > 0 &&
                state_.validations_without_gain >= options_.early_stop_patience;
  report({}, best);
}

void Session::samples() {
  if (options_.sample_count == 0) {
    return;
  }
  optimizer_->use_average(options_.averages() > 0 ? 0 : -1);
  const auto& data = data_.val ? *data_.val : *data_.train;
  const auto path = store_.paths().samples / ("step-" + std::to_string(state_.step) + ".png");
  write_sample_grid(path, *model_, data, *captions_, {flow_, config_.sampler, config_.guidance, {}},
                    options_.sample_count, "step " + std::to_string(state_.step));
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
  auto state = state_;
  state.elapsed_seconds = elapsed();
  if (store_.save(state, optimizer_->state(), model_info(last_validation_),
                  optimizer_->weights(best_average_))) {
    saved_step_ = state_.step;
  }
}

void Session::report(const std::string& note, std::optional<ValidationResult> validation) {
  if (!request_.on_progress) {
    return;
  }
  const double now = now_seconds();
  TrainProgress p;
  p.step = state_.step;
  p.loss = loss_count_ > 0 ? loss_sum_ / static_cast<double>(loss_count_) : last_loss_;
  p.gradient_norm = last_norm_;
  p.learning_rate = last_lr_;
  p.images_per_second =
      static_cast<double>(state_.draws - report_draws_) / std::max(1e-9, now - report_time_);
  p.progress = used();
  p.seconds_left = p.progress > 0.0 ? elapsed() * (1.0 / p.progress - 1.0) : 0.0;
  p.waiting_share = loader_->waited_seconds() / std::max(1e-9, now - started_);
  p.validation = validation;
  p.note = note;
  request_.on_progress(p);
}

void Session::after_step() {
  log_->step({{"step", state_.step},
              {"loss", last_loss_},
              {"gradient_norm", last_norm_},
              {"learning_rate", last_lr_},
              {"images_seen", state_.draws},
              {"elapsed_seconds", elapsed()}});
  if (state_.step % options_.log_every == 0) {
    report();
    loss_sum_ = 0.0;
    loss_count_ = 0;
    report_time_ = now_seconds();
    report_draws_ = state_.draws;
  }
  if (validate_due_->due(state_.step, elapsed())) {
    validate();
  }
  if (sample_due_->due(state_.step, elapsed())) {
    samples();
  }
  if (save_due_->due(state_.step, elapsed()) || take_save_request()) {
    save();
  }
}

TrainResult Session::run() {
  started_ = report_time_ = now_seconds();
  report_draws_ = state_.draws;
  while (used() < 1.0 && !early_stop_ && !stop_requested()) {
    if (optimise()) {
      after_step();
    } else {
      not_finite(last_loss_, last_norm_);
    }
  }
  TrainResult result;
  result.stopped_by_request = stop_requested();
  if (!result.stopped_by_request) {
    validate();
    samples();
  }
  save();
  state_.elapsed_seconds = elapsed();
  result.state = state_;
  result.best_model = store_.best_model();
  result.last_step = store_.step_folder(state_.step);
  result.why_ended = result.stopped_by_request ? "stop requested"
                     : early_stop_             ? "early stop"
                                               : "budget used";
  return result;
}

}  // namespace

TrainResult train(const TrainRequest& request, ProcessGroup& processes) {
  return Session(request, processes).run();
}

}  // namespace medaug
