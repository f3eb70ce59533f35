// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "training/base_model.h"
#include "training/budget.h"
#include "training/flow_step.h"
#include "training/metric_log.h"
#include "training/model_file.h"
#include "training/optimizer.h"
#include "training/run_data.h"
#include "training/run_store.h"
#include "training/trainer.h"

// Not for use outside training/.

namespace medaug::internal {

/// What the next report is a mean over: the steps since the last one.
struct ReportWindow {
  double begin = 0.0;  ///< monotonic
  std::int64_t draws_before = 0;
  double loss_sum = 0.0;
  std::int64_t steps = 0;
};

/// One run from start or resume to its end: trainer.cc takes the steps, session_output.cc writes
/// what comes of them.
class Session {
 public:
  Session(const TrainRequest& request, ProcessGroup& processes);
  TrainResult run();

 private:
  void open();
  void open_teacher();
  void open_model(std::int64_t vocabulary);
  Tokenizer open_tokenizer(const std::optional<StoredStep>& stored) const;
  void start_loader();
  double backward(Batch batch, double share);
  double backward_once();
  bool optimise();
  void not_finite(double loss, double norm);
  void go_back();
  void after_step();
  void validate();
  void keep_best(double loss, int average);
  void save();
  void samples();
  /// @param why_ended  empty while the run goes on
  void summarise(const std::string& why_ended = {});
  void report(const std::string& note = {}, std::optional<ValidationResult> validation = {});
  ModelInfo model_info() const;
  CheckpointFile inference_file() const;
  GeneratorOptions network_options(std::int64_t vocabulary) const;
  Json identity() const;
  FlowObjective objective() const;
  GuidanceOptions sampling_guidance() const;  ///< what the trained model needs
  double elapsed() const { return state_.elapsed_seconds + (monotonic_seconds() - started_); }
  bool stopped_early() const {
    return options_.early_stop_patience > 0 &&
           state_.validations_without_gain >= options_.early_stop_patience;
  }
  double eta_seconds() const {
    const double share = used();
    return share > 0.0 ? elapsed() * std::max(0.0, 1.0 - share) / share : 0.0;
  }
  double used() const { return budget_used(options_, state_.step, data_.train->size(), elapsed()); }

  const TrainRequest& request_;
  const RunConfig& config_;
  const TrainingOptions& options_;
  ProcessGroup& processes_;
  at::Device device_;
  RunData data_;
  FlowOptions flow_;  ///< with the mean and deviation of the training images, or as the teacher's
  std::optional<BaseModel> base_;
  std::optional<LoadedModel> taught_by_;
  std::optional<Teacher> teacher_;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<CaptionEncoder> captions_;
  std::unique_ptr<Generator> model_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<MetricLog> log_;
  std::unique_ptr<Cadence> validate_due_, save_due_, sample_due_;
  RunState state_;
  double started_ = 0.0;  ///< monotonic clock at the start of this session
  double last_loss_ = 0.0, last_norm_ = 0.0, last_lr_ = 0.0;
  ReportWindow window_;
  std::int64_t bad_in_a_row_ = 0;
  std::int64_t saved_step_ = -1;
};

}  // namespace medaug::internal
