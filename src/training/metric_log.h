// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "base/fields.h"

namespace medaug {

/// logs/metrics.jsonl, one object per step, and logs/training_log.json, the summary that is
/// rewritten at every validation. On resume, lines behind the checkpoint's step are cut off. Not
/// thread-safe.
class MetricLog {
 public:
  /// @param resume_step  lines of later steps are dropped; -1 starts anew
  MetricLog(const std::filesystem::path& folder, std::int64_t resume_step);

  void step(const Json& line);
  void validation(const Json& entry);
  /// Writes training_log.json. @param summary  put beside the list of validations
  void write_summary(const Json& summary);

 private:
  std::filesystem::path folder_;
  std::ofstream lines_;
  Json validations_ = Json::array();
};

}  // namespace medaug
