// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "cli/estimate.h"
#include "cli/machine.h"

namespace medaug::cli {

/// Memory, disk and time of a run, said before it starts.
struct Preflight {
  Estimate estimate;
  double free_disk_bytes = 0.0;    ///< where the run folder is or will be
  double images_per_second = 0.0;  ///< from the speed of matrix products here; within a factor of 2
  std::int64_t images = 0;         ///< until the budget is used
  double seconds = 0.0;

  std::string text() const;  ///< one sentence
  Json json() const;
};

struct RecordCounts {
  std::int64_t train = 0;
  std::int64_t val = 0;
};

Preflight preflight(const RunConfig& config, const RecordCounts& records);

/// "does not fit ..." with what is needed and what is there, or empty.
std::string memory_problem(const RunConfig& config, const Estimate& estimate,
                           const Machine& machine);

}  // namespace medaug::cli
