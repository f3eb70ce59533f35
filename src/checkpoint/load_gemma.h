// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>

#include "checkpoint/tensor_source.h"
#include "models/gemma.h"

namespace medaug {

/// `config.json` of a folder of transformers. @throws Error kCheckpoint
GemmaOptions read_gemma_options(const std::filesystem::path& folder);

/// Looks at the headers: all tensors of the network are there, all that are there are its own, and
/// their shapes and dtypes are right. @return what stands before their names: "model." or nothing
/// @throws Error kCheckpoint naming the tensor
std::string require_gemma(const TensorSource& source, const GemmaOptions& options);

/// Reads every number, one tensor after the other. @throws Error kCheckpoint naming the first
/// tensor that `require_gemma` refuses, or with a number that is not finite
void verify_gemma(const TensorSource& source, const GemmaOptions& options);

/// Reads a Gemma 1 folder of transformers: config.json and its safetensors files. What the features
/// do not need (the last layer, the final norm, an untied head) is checked and not read, so that
/// beside the model only one tensor at a time is in memory.
/// @param dtype  kFloat or kBFloat16
/// @throws Error kCheckpoint naming the tensor that is missing, too many, of another shape or not
/// floating; kInvalidArgument for another dtype
std::shared_ptr<Gemma> load_gemma(const std::filesystem::path& folder, at::Device device,
                                  at::ScalarType dtype);
/// The same with options and tensors at hand. Names may have the leading "model." or not.
std::shared_ptr<Gemma> load_gemma(const TensorSource& source, const GemmaOptions& options,
                                  at::Device device, at::ScalarType dtype);

/// SHA-256 of all that decides what the network computes: its config.json and its weights as they
/// stand in their files. @param hash_of  SHA-256 of a file (see FileHashes)
std::string gemma_hash(const std::filesystem::path& folder,
                       const std::function<std::string(const std::filesystem::path&)>& hash_of);

}  // namespace medaug
