// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "data/sample.h"
#include "inference/mask_warp.h"

namespace medaug {

/// What becomes of the source's own images in the new data set.
enum class Originals {
  kNone,
  kReference,  ///< hard links below originals/ to the files where they are
  kCopy,       ///< files copied there
};
template <>
struct EnumNames<Originals> {
  static constexpr std::pair<Originals, std::string_view> kNames[] = {
      {Originals::kNone, "none"}, {Originals::kReference, "reference"}, {Originals::kCopy, "copy"}};
};

/// How many images are made of which records.
struct AugmentPlan {
  std::optional<double> ratio = {};            ///< images made for each record of the manifest
  std::optional<std::int64_t> per_image = {};  ///< the same as a whole number
  std::optional<std::int64_t> count = {};      ///< images in all
  bool balance_labels = false;  ///< fill every label up to the most frequent one's count; `ratio`
                                ///< then comes on top of that count
  MaskTransform mask_transform = MaskTransform::kNone;
  Originals originals = Originals::kNone;
  std::int64_t seed = 42;
};

/// Index of the record that each image is made from, spread evenly over the manifest (over each
/// label when balancing). Without ratio, per_image and count: as many as there are records, or with
/// balance_labels just what is missing.
/// @throws Error kUsage for settings that exclude each other, kData for a record without label when
/// balancing
std::vector<std::int64_t> planned_sources(const Manifest& manifest, const AugmentPlan& plan);

}  // namespace medaug
