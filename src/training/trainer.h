// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "data/sample.h"
#include "training/process_group.h"
#include "training/run_config.h"
#include "training/run_state.h"
#include "training/validation.h"

namespace medaug {

/// What the caller may show while a run goes on.
struct TrainProgress {
  std::int64_t step = 0;
  double loss = 0.0;  ///< mean since the last report
  double gradient_norm = 0.0;
  double learning_rate = 0.0;
  double images_per_second = 0.0;
  double progress = 0.0;       ///< share of the budget, in [0, 1]
  double waiting_share = 0.0;  ///< of the time, for data
  std::optional<ValidationResult> validation = {};
  std::string note = {};  ///< a sentence for the log, or empty
  bool begins = false;    ///< the first one of this session: nothing was done yet
};

struct TrainRequest {
  RunConfig config;
  /// What `read_manifests` gave, when the caller has read them already.
  std::optional<std::pair<Manifest, Manifest>> manifests = {};
  bool resume = false;  ///< go on from the newest good checkpoint of the run folder
  std::function<void(const TrainProgress&)> on_progress = {};
};

struct TrainResult {
  RunState state;
  std::filesystem::path best_model;  ///< checkpoints/best_model.safetensors
  std::filesystem::path last_step;   ///< checkpoints/step-...
  std::string why_ended;             ///< "budget used", "early stop", "stop requested"
  bool stopped_by_request = false;
  bool validated = false;  ///< the best loss is one of held-out data
};

/// Trains as the config says. The run folder is locked, and every step's random numbers are keyed,
/// so a run that was killed and resumed ends with the same weights as one that was not (by-clock
/// budgets carry the elapsed time over).
/// @throws Error kData, kCheckpoint, kResource (locked, no space), kNumeric (not finite after two
/// ways back)
TrainResult train(const TrainRequest& request, ProcessGroup& processes);

}  // namespace medaug
