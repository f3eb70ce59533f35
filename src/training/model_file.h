// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "data/preprocess.h"
#include "flow/path.h"
#include "flow/sampler.h"
#include "models/generator.h"
#include "text/tokenizer.h"

namespace medaug {

/// Everything inference needs besides the weights.
struct ModelInfo {
  GeneratorOptions generator;
  PreprocessOptions preprocess;
  FlowOptions flow;
  SamplerOptions sampler;
  GuidanceOptions guidance;
  std::string tokenizer;                      ///< serialized SentencePiece model
  std::vector<std::string> example_captions;  ///< of the training set
  Json training = Json::object();  ///< steps, images seen, validation loss, seed, hash of the data
};

/// One safetensors file: the weights under their own names, the tokenizer as bytes, the rest as
/// JSON in the metadata.
void write_model_file(const std::filesystem::path& path, const ModelInfo& info,
                      const NamedTensors& weights);

struct LoadedModel {
  ModelInfo info;
  std::shared_ptr<Generator> model;  ///< in the wanted dtype, without gradients
  Tokenizer tokenizer;
  std::string sha256;  ///< of the file
};

/// @throws Error kCheckpoint naming the file and the first tensor that is missing, unknown, of
/// another shape or not
///         finite; kConfig never
LoadedModel load_model_file(const std::filesystem::path& path, at::Device device,
                            at::ScalarType dtype);
/// Without the weights. @throws Error kCheckpoint
ModelInfo read_model_info(const std::filesystem::path& path);

}  // namespace medaug
