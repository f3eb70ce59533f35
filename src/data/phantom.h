// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "image/image.h"

// A procedural data set with masks, captions, grades and patients, so that everything can be tried
// without any real picture. Nothing in it is medical data.

namespace medaug {

enum class PhantomKind { kFundus, kScan };
template <>
struct EnumNames<PhantomKind> {
  static constexpr std::pair<PhantomKind, std::string_view> kNames[] = {
      {PhantomKind::kFundus, "fundus"}, {PhantomKind::kScan, "scan"}};
};

struct PhantomOptions {
  std::int64_t count = 200;  ///< pictures in all
  std::int64_t size = 128;   ///< side, pixels
  std::uint64_t seed = 0;
  PhantomKind kind = PhantomKind::kFundus;
};

template <class Visitor>
void describe(Visitor& visit, PhantomOptions& o) {
  visit(Field{.name = "count", .help = "pictures in all", .min = 3, .max = 1000000}, o.count);
  visit(Field{.name = "size", .help = "side in pixels", .min = 32, .max = 1024}, o.size);
  visit(Field{.name = "seed", .help = "the same seed gives the same files", .min = 0}, o.seed);
  visit(Field{.name = "kind", .help = "fundus (colour, two lesion classes) or scan (grey, one)"},
        o.kind);
}

/// What a folder of the set holds beside its files, so that no other folder is written over.
inline constexpr const char* kPhantomMarker = "phantom.json";

/// A picture of the set: colour with labels 1 = bright, 2 = dark lesion (fundus), or grey with
/// label 255 (scan).
struct Phantom {
  Image image;
  at::Tensor levels;  ///< (1, H, W) uint8
  std::string caption;
  std::int64_t label = 0;  ///< grade 0..3
  std::string group;       ///< patient
};

/// Two pictures in a row belong to one patient. A function of (options, index) alone.
Phantom make_phantom(const PhantomOptions& options, std::int64_t index);

struct PhantomSummary {
  std::int64_t train = 0;
  std::int64_t val = 0;
  std::int64_t test = 0;
  std::vector<std::string> class_names;
};

/// Writes images/, masks/, train.jsonl, val.jsonl and test.jsonl (70, 15 and 15 %, split by
/// patient) with several threads. The same options give the same bytes.
/// @throws Error kResource when the folder cannot be written, kInvalidArgument for options out of
/// range
PhantomSummary write_phantom(const std::filesystem::path& folder, const PhantomOptions& options);

}  // namespace medaug
