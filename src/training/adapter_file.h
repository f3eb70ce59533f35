// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "models/lora.h"
#include "training/model_file.h"

// What a run with adapters leaves behind: a few megabytes that go over the model they were trained
// on. Keys are those of PEFT (`base_model.model.layers.0.attention.wq.lora_A.weight`); what was
// trained as a whole stands there as `base_model.model.mask_mid.weight`.

namespace medaug {

inline constexpr const char* kAdapterFormat = "medaug-adapter-1";

struct AdapterInfo {
  LoraOptions lora;
  std::string base;         ///< path of the model file, from the run folder
  std::string base_sha256;  ///< of its bytes
  ModelInfo model;          ///< as trained; the tokenizer is the base's
};

/// @param weights  trained parameters under their own names (`dit.layers.0.attention.wq.lora_A`)
void write_adapter_file(const std::filesystem::path& path, const AdapterInfo& info,
                        const NamedTensors& weights);

struct AdapterFile {
  std::filesystem::path path;
  AdapterInfo info;
  std::map<std::string, at::Tensor> tensors;  ///< under the parameters' own names
  std::string sha256;
};

/// @throws Error kCheckpoint
AdapterFile read_adapter_file(const std::filesystem::path& path);
/// By its metadata. @throws Error kCheckpoint when it is no safetensors file
bool is_adapter_file(const std::filesystem::path& path);
bool is_adapter_file(const SafetensorsFile& file);

/// The model that an adapter was trained on, with it. The base is looked for from the file's folder
/// and those above it.
/// @throws Error kCheckpoint when the base is not there or is another one
ModelWeights read_adapted_model(const std::filesystem::path& path);

/// W + sum of scale alpha / rank B A in float32, and what was trained as a whole moved by its scale
/// towards the trained values. Settings (sizes, flow, guidance) become those of the first adapter.
/// @param path  of `base`, for messages
/// @throws Error kCheckpoint for an adapter of another base, of other shapes or with unknown names
ModelWeights with_adapters(ModelWeights base, const std::filesystem::path& path,
                           std::span<const AdapterChoice> adapters);

}  // namespace medaug
