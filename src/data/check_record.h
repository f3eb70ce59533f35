// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/check.h"

namespace medaug::internal {

/// One class in one mask.
struct FoundClass {
  std::string name;    ///< "1", "255", "#ff0000"
  double share = 0.0;  ///< of the area
  bool lost = false;   ///< at model size
};

/// What a look at one record's files gave.
struct Finding {
  std::optional<DataProblem> error;
  std::vector<DataProblem> warnings;
  std::string kind;
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::uint64_t pixel_hash = 0;
  std::vector<FoundClass> classes;
};

/// Reads image and mask. Thread-safe.
Finding look_at(const Record& record, const std::string& where, const CheckOptions& options);

}  // namespace medaug::internal
