// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/sample.h"
#include "inference/augment_plan.h"
#include "inference/batch_maker.h"
#include "inference/image_generator.h"
#include "inference/output_writer.h"

namespace medaug {

// A folder of `augment`:
//
//   plan.json          what was asked for; another plan in the same folder is refused
//   manifest.jsonl     originals when wanted, then one line for each image made, in order
//   refused.jsonl      with a gate: one line for each image that it refused, and by which rule
//   images/, masks/    what was made, and originals/ when they are wanted
//   contact_sheet.png
//
// An image is on the disk before its line is in the manifest, so a run that was ended in any way
// goes on behind the last line, and ends with the same bytes as one that never stopped.

struct AugmentRequest {
  Manifest source;
  std::filesystem::path folder;
  AugmentPlan plan;
  GenerateSettings settings;
  Provenance provenance;
  ImageGate* gate = nullptr;  ///< judges each image; none = all are kept
  Json gate_plan = nullptr;   ///< its rules, as they stand in plan.json
  std::int64_t retries = 3;   ///< further seeds for an image that the gate refuses
  /// First with what an earlier call made, then after each batch.
  std::function<void(std::int64_t done, std::int64_t total)> on_progress = {};
};

struct AugmentResult {
  std::filesystem::path manifest;
  std::int64_t planned = 0;                     ///< images in all
  std::int64_t kept = 0;                        ///< of them from an earlier call
  std::int64_t made = 0;                        ///< of them now
  std::int64_t originals = 0;                   ///< lines of the source's own images
  std::int64_t given_up = 0;                    ///< images that the gate refused with every seed
  std::map<std::string, std::int64_t> refused;  ///< by rule, earlier calls counted too

  bool complete() const { return kept + made + given_up == planned; }
};

/// Makes a new data set from a manifest. Everything is read and checked before anything is
/// written. A requested stop is obeyed behind the batch in hand.
/// @throws Error kUsage (a folder with another plan, or a foreign one), kData, kResource
AugmentResult augment_dataset(ImageGenerator& generator, const AugmentRequest& request);

}  // namespace medaug
