// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/safetensors_header.h"

namespace medaug {

/// A tensor that is going to be written.
struct PlannedTensor {
  std::string name;
  std::string dtype;  ///< as the format writes it: "F32", "BF16", ...
  std::vector<std::int64_t> shape;
};

/// Gives the tensor of a name when its turn has come; on the CPU, of the planned dtype and shape.
using TensorMaker = std::function<at::Tensor(const std::string& name)>;

/// Bytes that the planned tensors take in a file, without its header.
std::int64_t planned_bytes(const std::vector<PlannedTensor>& tensors);

/// `write_safetensors` for a model that does not fit in memory: the header first, then one tensor
/// after another, each made when it is written. The same order of the data (wider dtypes first),
/// the same bytes for the same input, as atomic: when `make` throws, nothing is left behind.
/// @throws Error kResource when the disk is full (the old file stays), kInvalidArgument for a dtype
/// that the format does not know, a name that stands twice, or a tensor that is not as planned
void stream_safetensors(const std::filesystem::path& path, const std::vector<PlannedTensor>& plan,
                        const TensorMaker& make, const Metadata& metadata = {});

}  // namespace medaug
