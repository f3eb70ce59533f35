// SPDX-License-Identifier: MIT
#include "training/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "base/stop.h"
#include "checkpoint/run_folder.h"
#include "nn/layers.h"
#include "training/caption_pass.h"
#include "training/frozen_parts.h"
#include "training/session.h"
#include "training/setup.h"

namespace medaug {
namespace internal {
namespace {

constexpr std::int64_t kNotFiniteInARow = 3;
constexpr std::int64_t kMostWaysBack = 2;
constexpr std::uint64_t kAdapterSeed = 2;  // behind those of the network and the text encoder

void copy_weights(const Generator& from, Generator& to) {
  const at::NoGradGuard no_grad;
  const auto weights = from.named_parameters();
  for (auto& item : to.named_parameters()) {
    item.value().copy_(weights[item.key()]);
  }
}

}  // namespace

Session::Session(const TrainRequest& request, ProcessGroup& processes)
    : request_(request),
      config_(request.config),
      options_(request.config.training),
      processes_(processes),
      device_(pick_device(options_.device, "training.device")) {
  if (options_.threads > 0) {
    at::set_num_threads(static_cast<int>(options_.threads));
  }
  // Whatever can be refused is refused before the run folder is made.
  RunStore::require(config_.run_folder, request.resume);
  data_ = load_run_data(config_, request.manifests ? *request.manifests : read_manifests(config_));
  flow_ = settled_flow(config_.flow, data_);
  if (!config_.base.empty()) {
    base_ = open_base_model(config_.base);
    const auto& info = base_->weights.info;
    require_same_network(network_options(info.generator.vocabulary), *base_);
    flow_ = info.flow;
  }
  if (!config_.teacher.empty()) {
    open_teacher();
  }
  store_ = std::make_unique<RunStore>(config_.run_folder, options_.keep_last);
  open();
}

/// The model of training.distill_from, which must be what the config describes.
void Session::open_teacher() {
  const auto path = find_inference_file(config_.teacher);
  taught_by_ = load_model_file(path, device_, at::kFloat);
  const auto& info = taught_by_->info;
  const auto wanted = model_options(config_, data_.preprocess, info.generator.vocabulary);
  if (to_json(wanted.dit) != to_json(info.generator.dit) ||
      to_json(wanted.text) != to_json(info.generator.text) ||
      to_json(data_.preprocess) != to_json(info.preprocess)) {
    throw Error(ErrorCode::kConfig, path.string(),
                "training.distill_from is another model than the config describes",
                "use the config.yaml of the run that made it");
  }
  flow_ = info.flow;
}

Tokenizer Session::open_tokenizer(const std::optional<StoredStep>& stored) const {
  if (stored) {
    return Tokenizer::load(stored->tokenizer, base_ ? tokenizer_style(base_->weights.info.generator)
                                                    : TokenizerStyle::kNormalised);
  }
  if (taught_by_) {
    return taught_by_->tokenizer;
  }
  if (base_) {
    const auto& info = base_->weights.info;
    return Tokenizer::load(info.tokenizer, tokenizer_style(info.generator));
  }
  return Tokenizer::train(captions_of(*data_.train), config_.text.vocabulary,
                          static_cast<std::uint64_t>(options_.seed));
}

Json Session::identity() const {
  return run_identity(config_, *data_.train, base_ ? base_->weights.sha256 : "");
}

/// As the config says; a model of latents keeps the network that it starts from.
GeneratorOptions Session::network_options(std::int64_t vocabulary) const {
  const bool latent = base_ && !base_->weights.info.generator.stands_alone();
  return latent ? latent_options(base_->weights.info.generator, data_.preprocess)
                : model_options(config_, data_.preprocess, vocabulary);
}

/// The model as it starts.
void Session::open_model(std::int64_t vocabulary) {
  const auto seed = static_cast<std::uint64_t>(options_.seed);
  model_ = std::make_unique<Generator>(network_options(vocabulary),
                                       base_ ? std::nullopt : std::optional(seed));
  if (base_) {
    start_from(*model_, *base_);
    attach_frozen_parts(*model_, base_->weights.info.frozen, base_->path.parent_path(), device_,
                        compute_dtype(options_));
  }
  model_->to(device_);
  if (config_.lora.rank > 0) {
    prepare_adapters(*model_, config_.lora, seed + kAdapterSeed, compute_dtype(options_));
  }
  if (taught_by_) {
    copy_weights(*taught_by_->model, *model_);
    taught_by_->model->to(compute_dtype(options_));
  }
}

void Session::open() {
  std::optional<StoredStep> stored;
  if (request_.resume) {
    stored = store_->newest(identity());
  } else {
    RunStore::require(config_.run_folder, false);  // again, now that the folder is ours
  }
  auto tokenizer = open_tokenizer(stored);
  open_model(tokenizer.size());
  captions_ =
      std::make_unique<CaptionEncoder>(std::move(tokenizer), model_->options().text.max_tokens);
  encode_captions_ahead(*model_, *captions_, captions_of_run(data_, config_.augment));
  optimizer_ =  // after the text encoder's gigabytes are gone
      std::make_unique<AdamW>(trained_tensors(*model_), adamw_options(options_),
                              compute_dtype(options_), options_.averages(), muon_options(options_));
  if (taught_by_) {
    Conditions no_text;
    captions_->encode({""}, no_text);
    no_text.tokens = no_text.tokens.to(device_);
    no_text.token_mask = no_text.token_mask.to(device_);
    teacher_ = Teacher{taught_by_->model, config_.guidance, no_text};
  }
  state_.average = options_.averages() > 0 ? 0 : -1;
  if (stored) {
    optimizer_->load_state(stored->tensors);
    state_ = stored->state;
    saved_step_ = state_.step;
  }
  store_->begin(identity(), run_folder_yaml(config_));
  log_ = std::make_unique<MetricLog>(config_.run_folder / "logs", stored ? state_.step : -1);
  validate_due_ = std::make_unique<Cadence>(
      options_.validate_every, options_.validate_every_minutes, state_.elapsed_seconds);
  save_due_ = std::make_unique<Cadence>(options_.save_every, options_.save_every_minutes,
                                        state_.elapsed_seconds);
  sample_due_ = std::make_unique<Cadence>(options_.sample_every, options_.sample_every_minutes,
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

FlowObjective Session::objective() const {
  FlowObjective out;
  out.flow = flow_;
  out.call.checkpoint_activations = options_.checkpoint_activations;
  out.teacher = teacher_ ? &*teacher_ : nullptr;
  return out;
}

GuidanceOptions Session::sampling_guidance() const {
  return teacher_ ? GuidanceOptions{} : config_.guidance;
}

/// Forward and backward of pictures of one size. @param share  of the batch in the step
/// @return their mean loss
double Session::backward(Batch batch, double share) {
  FlowBatch inputs;
  inputs.draws = batch.draws;
  inputs.images = batch.images.to(device_);
  inputs.conditions = teacher_
                          ? conditions_of(batch, *captions_, device_)
                          : dropped_conditions(std::move(batch), *captions_, options_, device_);
  const auto seed = static_cast<std::uint64_t>(options_.seed);
  if (!model_->works_on_pixels()) {
    inputs.images = model_->to_z(
        inputs.images, posterior_noise(*model_, inputs.images.sizes(), inputs.draws, seed));
  }
  const auto draws = draw_noise_and_time(inputs, flow_, seed);
  drop_adapter_inputs(*model_, config_.lora.dropout, seed,
                      static_cast<std::uint64_t>(inputs.draws.front()));
  const double loss = flow_gradients(*model_, inputs, draws, objective(), share);
  drop_adapter_inputs(*model_, 0.0, seed, 0);
  return loss;
}

/// Forward and backward of one batch, sizes one after another. @return its share of the step's loss
double Session::backward_once() {
  double loss = 0.0;
  auto batches = loader_->next();
  for (auto& batch : batches) {
    const auto share = static_cast<double>(batch.draws.size()) /
                       static_cast<double>(options_.effective_batch_size());
    loss += backward(std::move(batch), share) * share;
    if (options_.accumulation > 1 || batches.size() > 1) {
      optimizer_->accumulate_gradients();
    }
  }
  state_.draws += options_.batch_size;
  return loss;
}

/// One optimiser step. @return false when it was skipped because something was not finite
bool Session::optimise() {
  double loss = 0.0;
  for (std::int64_t i = 0; i < options_.accumulation; ++i) {
    loss += backward_once();
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
    window_.loss_sum += last_loss_;
    ++window_.steps;
  }
  optimizer_->clear_gradients();
  return finite;
}

void Session::not_finite(double loss, double norm) {
  ++state_.skipped_steps;
  ++bad_in_a_row_;
  log_->step({{"step", state_.step}, {"loss", loss}, {"gradient_norm", norm}, {"skipped", true}});
  report("step " + std::to_string(state_.step) + " was skipped: loss " + std::to_string(loss) +
         ", gradient norm " + std::to_string(norm));
  if (bad_in_a_row_ >= kNotFiniteInARow) {
    go_back();
  }
}

void Session::go_back() {
  if (!store_->has_checkpoint() || state_.ways_back >= kMostWaysBack) {
    throw Error(ErrorCode::kNumeric, "step " + std::to_string(state_.step),
                "the loss or its gradient was not finite " + std::to_string(bad_in_a_row_) +
                    " times in a row",
                "lower training.learning_rate, or set training.use_amp to false to see whether "
                "precision is the cause");
  }
  const auto stored = store_->newest(identity());
  const auto ways_back = state_.ways_back + 1;
  const double lr_factor = state_.lr_factor * 0.5;
  const double elapsed_seconds = elapsed();
  optimizer_->load_state(stored.tensors);
  state_ = stored.state;
  state_.ways_back = ways_back;
  state_.lr_factor = lr_factor;
  state_.elapsed_seconds = elapsed_seconds;
  started_ = monotonic_seconds();
  bad_in_a_row_ = 0;
  start_loader();
  report("went back to step " + std::to_string(state_.step) + " with half the learning rate");
}

void Session::after_step() {
  log_->step({{"step", state_.step},
              {"loss", last_loss_},
              {"gradient_norm", last_norm_},
              {"learning_rate", last_lr_},
              {"images_seen", state_.draws},
              {"elapsed_seconds", elapsed()},
              {"eta_seconds", eta_seconds()}});
  if (state_.step % options_.log_every == 0) {
    report();
    window_ = {monotonic_seconds(), state_.draws};
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
  started_ = monotonic_seconds();
  window_ = {started_, state_.draws};
  if (request_.on_progress) {
    request_.on_progress({.step = state_.step, .progress = used(), .begins = true});
  }
  while (used() < 1.0 && !stopped_early() && !stop_requested()) {
    if (optimise()) {
      after_step();
    } else {
      not_finite(last_loss_, last_norm_);
    }
  }
  TrainResult result;
  result.stopped_by_request = stop_requested();
  if (!result.stopped_by_request) {
    if (state_.validated_step != state_.step) {
      validate();
    }
    samples();
  }
  save();
  if (saved_step_ != state_.step) {
    throw Error(ErrorCode::kResource, config_.run_folder.string(),
                "the last checkpoint could not be saved; the one before it stands",
                "make room on this disk and go on with --resume");
  }
  result.why_ended = result.stopped_by_request ? "stop requested"
                     : stopped_early()         ? "early stop"
                                               : "budget used";
  summarise(result.why_ended);
  state_.elapsed_seconds = elapsed();
  result.state = state_;
  result.validated = data_.val != nullptr;
  result.best_model = store_->best_model();
  result.last_step = store_->step_folder(state_.step);
  return result;
}

}  // namespace internal

TrainResult train(const TrainRequest& request, ProcessGroup& processes) {
  return internal::Session(request, processes).run();
}

}  // namespace medaug
