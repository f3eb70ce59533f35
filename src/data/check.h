// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/preprocess.h"
#include "nlohmann/json.hpp"

// What `medaug check data` does: reads everything, changes nothing, and lists all that is wrong.

namespace medaug {

struct CheckOptions {
  ManifestOptions manifest;
  PreprocessOptions preprocess;  ///< model size and mask classes
  bool infer_classes =
      true;  ///< take the mask labels as they are found; false = they must be those of `preprocess`
  int threads = 2;
  std::size_t max_listed = 100;  ///< problems kept of each kind; the rest is counted
};

struct DataProblem {
  std::string where;  ///< "train.jsonl:12", "train.jsonl:12:7"
  std::string message;
  std::string hint;
};

/// Errors or warnings: the first `max_listed` and how many there are.
struct ProblemList {
  std::vector<DataProblem> listed;
  std::int64_t count = 0;
};

/// Of the masks that hold one class (label "1", "255" or colour "#ff0000").
struct ClassStatistics {
  std::int64_t masks = 0;
  double share_sum = 0.0;  ///< of the picture's area, over these masks
  double share_min = 1.0;
  double share_max = 0.0;
  std::int64_t lost = 0;  ///< masks where no pixel at model size is half covered
};

struct ManifestReport {
  std::filesystem::path path;
  std::filesystem::path root;
  std::int64_t records = 0;  ///< good ones
  std::int64_t bad = 0;
  std::int64_t without_mask = 0;
  std::int64_t empty_masks = 0;
  std::int64_t empty_captions = 0;
  std::int64_t captions = 0;  ///< different ones
  std::map<std::int64_t, std::int64_t> labels;
  std::int64_t without_label = 0;
  std::set<std::string> groups;
  std::map<std::string, std::int64_t> kinds;  ///< "grey 8-bit", "colour 8-bit", "grey 16-bit", …
  std::int64_t min_width = 0, max_width = 0, min_height = 0, max_height = 0;
  std::map<std::string, ClassStatistics> classes;
  std::vector<std::string> unknown_fields;
};

struct DataReport {
  std::vector<ManifestReport> manifests;
  ProblemList errors;
  ProblemList warnings;

  bool ok() const { return errors.count == 0; }
};

/// Checks each manifest, and between any two of them: the same path, the same pixels and the same
/// group in both are errors, for then a figure measured on one is not independent of the other.
/// @throws Error kData only when a manifest itself cannot be opened
DataReport check_data(const std::vector<std::filesystem::path>& manifests,
                      const CheckOptions& options = {});

/// For people; control characters are escaped.
std::string to_text(const DataReport& report);
nlohmann::ordered_json to_json(const DataReport& report);

}  // namespace medaug
