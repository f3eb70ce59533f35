// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace medaug {

/// One line of a manifest, with its paths resolved.
struct Record {
  std::filesystem::path image_path;  ///< resolved
  std::optional<std::filesystem::path>
      mask_path;  ///< resolved; none = no mask was given (not the same as empty)
  std::string caption;
  std::optional<std::int64_t> label;
  std::string group;                              ///< patient; empty = unknown
  std::optional<std::vector<double>> spacing_mm;  ///< (row, column)
  std::int64_t line = 0;                          ///< in its manifest, from 1
  nlohmann::ordered_json raw;                     ///< the whole line, unknown fields included
};

struct Manifest {
  std::filesystem::path path;
  std::filesystem::path root;  ///< what its relative paths were resolved against
  std::vector<Record> records;
};

/// Whether a line of `augment` is one of the originals that it put beside what it made.
bool is_original(const Record& record);

}  // namespace medaug
