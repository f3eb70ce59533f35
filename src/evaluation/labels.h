// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/manifest.h"

// Which class an image belongs to: its record's `label`, or what its caption says.

namespace medaug {

/// Classes and the words that stand for them in captions.
class LabelMap {
 public:
  using Classes = std::vector<std::pair<std::string, std::vector<std::string>>>;

  /// @param where  named in errors
  /// @throws Error kData for fewer than two classes, a class without words, a word of two classes
  LabelMap(Classes classes, const std::string& where);
  /// {"class name": ["word", ...], ...}. @throws Error kData
  static LabelMap load(const std::filesystem::path& path);

  /// The classes one of whose words the caption has: as a whole word (or words), capital letters of
  /// English or not. Words of scripts without spaces count wherever they stand. What a caption
  /// denies ("no melanoma") it has too.
  std::vector<std::int64_t> classes_in(const std::string& caption) const;
  const std::string& name(std::int64_t index) const {
    return classes_.at(static_cast<std::size_t>(index)).first;
  }

 private:
  Classes classes_;
};

struct LabelOptions {
  std::optional<LabelMap> map;   ///< none = the records' own labels
  bool skip_unlabelled = false;  ///< records without one class are left out and counted
};

/// The records of a manifest that have a class, without masks and captions: nothing else of them is
/// looked at.
struct LabelledManifest {
  Manifest manifest;
  std::vector<std::int64_t> labels;  ///< of each record: its own, or the class of the map
  std::vector<std::string> names;    ///< of each record: the map's, or the label as text
  std::int64_t skipped = 0;
};

/// @throws Error kData naming file, line and caption of the first record without a class, or with
/// several, and how many there are
LabelledManifest read_labelled(const std::filesystem::path& path, const ManifestOptions& reading,
                               const LabelOptions& options);

/// The classes of a data set, in the order in which the network has them.
struct ClassList {
  std::vector<std::int64_t> labels;  ///< rising
  std::vector<std::string> names;

  std::int64_t size() const { return std::ssize(labels); }
};

/// Those that occur. @throws Error kData for fewer than two
ClassList classes_of(const LabelledManifest& train);

/// The place of each record's label in the list. @throws Error kData naming the first record whose
/// class is not in the list
std::vector<std::int64_t> class_indices(const LabelledManifest& manifest, const ClassList& classes);

}  // namespace medaug
