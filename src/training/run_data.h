// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/loader.h"
#include "models/generator.h"
#include "training/run_config.h"

namespace medaug {

struct RunData {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> val;  ///< null when nothing is held out
  PreprocessOptions preprocess;        ///< channels and bit depth settled
};

/// What is trained on and what is held out (may be empty); no picture is read. Without
/// data.val_data, data.val_fraction of the records are held out, in whole groups (patients; a
/// record without group is its own) chosen by the seed. @throws Error kData
std::pair<Manifest, Manifest> read_manifests(const RunConfig& config);

/// Reads and caches the images and masks of both. @throws Error kData
RunData load_run_data(const RunConfig& config, const std::pair<Manifest, Manifest>& manifests);

/// Splits by group. Groups go to the second manifest until it has `fraction` of the records: at
/// least one when there are two, never the last.
std::pair<Manifest, Manifest> split_by_group(const Manifest& all, double fraction,
                                             std::uint64_t seed);

/// All captions, in order.
std::vector<std::string> captions_of(const Dataset& data);
/// A dozen of them, spread over the set, to show what captions look like.
std::vector<std::string> example_captions(const Dataset& data);

/// The flow with what follows from the data filled in: mean of the images per channel, deviation
/// from it, and the mean time for their size when none is given.
FlowOptions settled_flow(FlowOptions flow, const RunData& data);

/// Sizes of the model that follow from the data, the text encoder and the tokenizer.
GeneratorOptions model_options(const RunConfig& config, const PreprocessOptions& preprocess,
                               std::int64_t vocabulary);

/// Of a fine-tune of a model of latents or with a frozen text encoder: the network that it starts
/// from, with the masks of the data. @throws Error kConfig for pictures that it cannot take
GeneratorOptions latent_options(GeneratorOptions base, const PreprocessOptions& preprocess);

}  // namespace medaug
