// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/sample.h"

// What is evaluated: images from a folder or a manifest, with what belongs to each of them.

namespace medaug {

/// One picture of a folder or one record of a manifest.
struct SourceItem {
  std::string name;  ///< file name without extension
  std::filesystem::path image;
  std::optional<std::filesystem::path> mask;
  std::optional<std::array<double, 2>> spacing_mm;  ///< of rows and columns
  std::optional<std::int64_t> label;
  std::int64_t line = 0;                    ///< in the manifest; 0 = from a folder
  std::optional<std::int64_t> source_line;  ///< of the manifest that it was generated from
  std::string source_hash;                  ///< of that manifest; empty = not known
  bool original = false;  ///< a real picture that `augment` put beside what it made
};

struct Source {
  std::filesystem::path path;  ///< folder or manifest
  bool is_manifest = false;
  std::string hash;               ///< SHA-256 of the manifest; empty for a folder
  std::vector<SourceItem> items;  ///< in the manifest's order, or by name
};

/// By its ending: PNG, JPEG, TIFF, BMP. Hidden files are none: some systems put "._name.png" beside
/// each picture.
bool is_picture(const std::filesystem::path& path);

/// Reads a manifest, or a folder. A folder with a manifest in it (SPLIT.jsonl, manifest.jsonl or
/// the only .jsonl, as `generate` and `augment` write them) is read through that; any other as its
/// pictures (PNG, JPEG, TIFF, BMP).
/// @param split  of a folder with several manifests
/// @throws Error kData when there is nothing, or two pictures have the same name
Source read_source(const std::filesystem::path& path, const std::string& split = "val");

/// The same of a manifest that was read already.
Source source_of(const Manifest& manifest);

/// One generated image and what it is compared with.
struct EvaluationItem {
  std::string name;
  std::filesystem::path generated;
  std::optional<std::filesystem::path> reference;
  std::optional<std::filesystem::path> mask;
  std::optional<std::array<double, 2>> spacing_mm;
  std::filesystem::path spacing_of;  ///< the picture whose pixels the spacing is meant for
};

struct Skipped {
  std::string name;
  std::string reason;
};

struct Collection {
  std::vector<EvaluationItem> items;
  std::vector<Skipped> skipped;
};

/// Puts together what belongs together. An image with a source_line belongs to that line of the
/// reference manifest, provided that it was made from that very manifest (source_hash) and their
/// labels agree; any other to the reference of its name. Originals among the generated are skipped.
/// A mask comes from `masks` in the same way; the masks of the generated images themselves (their
/// manifest, or the folder that they lie in) belong to them; of a folder, to the reference's name.
/// Without `masks` it is that of the generated record, else of the reference's. Images without a
/// partner are skipped, and so are those whose name stands for several: no image is ever compared
/// with a guess.
/// @param reference, masks  none = not asked for
/// @throws Error kData when nothing is left
Collection match(const Source& generated, const Source* reference, const Source* masks);

}  // namespace medaug
