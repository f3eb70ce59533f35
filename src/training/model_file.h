// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "data/preprocess.h"
#include "flow/path.h"
#include "flow/sampler.h"
#include "models/generator.h"
#include "text/tokenizer.h"
#include "training/frozen_parts.h"

namespace medaug {

/// Everything inference needs besides the weights.
struct ModelInfo {
  GeneratorOptions generator;
  PreprocessOptions preprocess;
  FlowOptions flow;
  SamplerOptions sampler;
  GuidanceOptions guidance;
  FrozenSources frozen;                       ///< pretrained parts beside it
  std::string tokenizer;                      ///< serialized SentencePiece model
  std::vector<std::string> example_captions;  ///< of the training set
  Json training = Json::object();  ///< steps, images seen, validation loss, seed, hash of the data
};

/// Marks of the file: `format` in its metadata, and the tensor that holds the tokenizer.
inline constexpr const char* kModelFormat = "medaug-model-1";
inline constexpr const char* kTokenizerTensor = "tokenizer";
/// Bytes as a tensor of a safetensors file.
at::Tensor bytes_tensor(const std::string& bytes);

/// One safetensors file: the weights under their own names, the tokenizer as bytes, the rest as
/// JSON in the metadata.
void write_model_file(const std::filesystem::path& path, const ModelInfo& info,
                      const NamedTensors& weights);

/// An adapter file (training/adapter_file.h) to lay over a model, and how strongly.
struct AdapterChoice {
  std::filesystem::path path;
  double scale = 1.0;
};

/// A model file, or an adapter file with the model it was trained on: float32 weights under their
/// own names, adapters multiplied out.
struct ModelWeights {
  ModelInfo info;
  std::map<std::string, at::Tensor> tensors;  ///< on the CPU
  std::string sha256;                         ///< of the file
};

/// @param adapters  laid over it, one upon the other
/// @throws Error kCheckpoint as `load_model_file`; for an adapter that was trained on another model
ModelWeights read_model_weights(const std::filesystem::path& path,
                                std::span<const AdapterChoice> adapters = {});

/// Sets to zero what the description promises, the file lacks and masks or the augment vector enter
/// by (`is_new_end`).
void fill_new_ends(ModelWeights& weights);
/// Exactly the tensors that the description promises, each finite.
/// @param path  for messages  @throws Error kCheckpoint naming the first tensor that does not fit
void check_weights(const ModelWeights& weights, const std::filesystem::path& path);
/// Weights that were checked, into the model that they describe; a tensor of the right dtype is
/// shared, not copied.
void fill_weights(Generator& model, const ModelWeights& weights);

/// How captions become pieces for a model of these options.
inline TokenizerStyle tokenizer_style(const GeneratorOptions& options) {
  return options.frozen_text ? TokenizerStyle::kGemma : TokenizerStyle::kNormalised;
}

struct LoadedModel {
  ModelInfo info;
  std::shared_ptr<Generator> model;  ///< in the wanted dtype, without gradients
  Tokenizer tokenizer;
  std::string sha256;  ///< of the file; of several, of their hashes and scales
};

/// @throws Error kCheckpoint naming the file and the first tensor that is missing, unknown, of
/// another shape or not
///         finite; kConfig never
LoadedModel load_model_file(const std::filesystem::path& path, at::Device device,
                            at::ScalarType dtype, std::span<const AdapterChoice> adapters = {});
/// Without the weights. @throws Error kCheckpoint
ModelInfo read_model_info(const std::filesystem::path& path);

/// The description that stands in the metadata of a model or adapter file, and back.
Metadata model_metadata(const ModelInfo& info, const std::string& format);
/// Without the tokenizer. @throws Error kCheckpoint when it is not of this format
ModelInfo model_info_of(const SafetensorsFile& file, const std::string& format);

}  // namespace medaug
