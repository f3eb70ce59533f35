// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "data/preprocess.h"
#include "evaluation/colour_mask.h"

namespace medaug {

/// What `medaug evaluate` is asked for.
struct EvaluateOptions {
  std::filesystem::path generated;  ///< folder or manifest
  std::filesystem::path reference;  ///< likewise, real images; empty = none
  std::filesystem::path masks;      ///< likewise; empty = those that the manifests name
  std::filesystem::path training;   ///< likewise, what the generator was trained on; empty = none
  std::string split = "val";        ///< of a reference folder with several manifests
  bool unpaired = false;            ///< the reference is only a set: no image against image
  bool resize_reference = false;    ///< references are brought to the size of the generated images
  bool structure = false;           ///< a colour rule against the masks
  ColourRule rule = ColourRule::kRed;
  std::filesystem::path segmenter;     ///< file; empty = none
  bool distribution = false;           ///< the sets against each other
  std::filesystem::path efficientnet;  ///< weights; empty = those that the set-up fetched
  std::filesystem::path resnet50;      ///< weights of a further feature space; empty = none
  Fit fit = Fit::kStretch;  ///< how pictures of another shape are fitted; as the generator does
  bool copies = false;      ///< look for copies of `training`; the reference sets the limit
  std::int64_t patch = 4;   ///< pixels of a patch of the generating model
  std::uint64_t seed = 0;   ///< of all resampling
};

/// What was found, as it is written; `docs/EVALUATION_GUIDE.md` explains every key. The parts that
/// were not asked for are absent; a number that does not exist is null. The per-image values stand
/// under "images", in the order of the generated images.
/// @param on_progress  part ("image quality"), images done, of how many
/// @throws Error kData, kCheckpoint; kUsage when nothing was asked for
Json evaluate(const EvaluateOptions& options,
              const std::function<void(std::string_view part, std::int64_t done,
                                       std::int64_t total)>& on_progress = {});

}  // namespace medaug
