// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "data/manifest.h"
#include "data/manifest_paths.h"
#include "data/sample.h"

namespace medaug::internal {

/// The fields that a record may have; anything else is kept in `Record::raw`.
inline const std::vector<std::string> kRecordFields{"image_path", "caption", "mask_path",
                                                    "label",      "group",   "spacing_mm"};

/// Takes the fields out of one parsed line. @throws Error kData with the place and what is allowed
class RecordParser {
 public:
  RecordParser(PathRules rules, const ManifestOptions& options)
      : rules_(std::move(rules)),
        images_needed_(options.images_needed),
        num_labels_(options.num_labels) {}

  Record parse(nlohmann::ordered_json json, const std::string& where, std::int64_t line) const;

 private:
  PathRules rules_;
  bool images_needed_;
  std::int64_t num_labels_;
};

}  // namespace medaug::internal
