// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "data/sample.h"
#include "inference/image_generator.h"
#include "inference/output_writer.h"

namespace medaug {

/// How the checkpoint's own preprocessing is done at the size that the settings ask for.
/// @throws Error kInvalidArgument when the size does not divide into patches
PreprocessOptions preprocess_for(const ModelInfo& info, const GenerateSettings& settings);

/// A mask file as the planes that the model was trained on, (K, H, W) in [0, 1]; with buckets in
/// the nearest one.
/// @param where  names the place in messages: a manifest line or an option
/// @throws Error kData naming the place, the file and the reason; kInvalidArgument when the model
/// knows no masks
at::Tensor read_mask_planes(const std::filesystem::path& mask, const PreprocessOptions& options,
                            const std::string& where);

/// What the line of a made image takes over from its source: label, group and all unknown fields,
/// and the number of the source's line. Not spacing_mm, which another size makes wrong.
/// @param source_hash  SHA-256 of the manifest that the record stands in
Json passed_on_fields(const Record& record, const std::string& source_hash);

/// Judges images before they are written.
class ImageGate {
 public:
  virtual ~ImageGate() = default;
  /// @param images  as they will be written; scores may be added to their fields
  /// @return        for each the name of the rule that refuses it, or ""
  virtual std::vector<std::string> judge(std::vector<MadeImage>& images) = 0;
};

/// What becomes of images that a gate refuses.
struct GateRun {
  ImageGate* gate = nullptr;   ///< none = every image is kept
  std::int64_t retries = 0;    ///< further seeds for an image before it is given up
  std::int64_t seed_step = 0;  ///< from one seed of an image to its next
  /// Called for every refused image, in the order of their numbers and attempts.
  std::function<void(const MadeImage& refused, const std::string& rule)> on_refused = {};
};

struct BatchRun {
  std::int64_t count = 0;  ///< images in all
  std::int64_t lanes = 16;
  /// Image i of `count` without its pixels. Called in order, shortly before it is made.
  std::function<MadeImage(std::int64_t i)> prepare;
  /// Images done with, those that were given up too.
  std::function<void(std::int64_t done)> on_progress = {};
  GateRun gating = {};
};

/// Makes and writes the images batch by batch. A requested stop (base/stop.h) is obeyed behind the
/// batch in hand. @return the lines written: fewer than `count` after a stop, or when a gate gave
/// images up
std::vector<Json> make_and_write(ImageGenerator& generator, const GenerateSettings& settings,
                                 const BatchRun& run, OutputWriter& writer);

}  // namespace medaug
