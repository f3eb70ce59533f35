// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "training/conditions.h"
#include "training/run_data.h"

namespace medaug {

/// Every caption that a run can meet, each once: those of the data, as flips change them, and the
/// empty one.
std::vector<std::string> captions_of_run(const RunData& data, const AugmentOptions& augment);

/// Takes the captions through the model's frozen text encoder, which keeps their features, and
/// gives up its weights: they would lie beside the training for nothing. Does nothing for a model
/// that has a text encoder of its own. A requested stop (base/stop.h) ends it early.
void encode_captions_ahead(const Generator& model, CaptionEncoder& encoder,
                           const std::vector<std::string>& captions);

}  // namespace medaug
