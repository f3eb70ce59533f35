// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_header.h"

namespace medaug {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

struct SafetensorsFile {
  Metadata metadata;
  std::map<std::string, at::Tensor> tensors;  ///< on the CPU, own memory

  /// @throws Error kCheckpoint naming the file and the nearest name it has
  const at::Tensor& at(const std::string& name) const;
  std::filesystem::path path;
};

/// Strict reader: header length, JSON, dtypes, shapes, offsets without gap or overlap, end of file.
/// @throws Error kCheckpoint with file, tensor and what is wrong (git-lfs pointers and pickles are
/// named as such)
SafetensorsFile read_safetensors(const std::filesystem::path& path);
/// Header only: metadata, names, dtypes and shapes (tensors on the meta device).
SafetensorsFile read_safetensors_header(const std::filesystem::path& path);

/// Writes atomically (temporary name, fsync, rename, fsync of the folder). Tensors in the given
/// order, the wider dtypes first, so that each begins at a multiple of its element size; the same
/// input gives the same bytes.
/// @throws Error kResource when the disk is full (the old file stays), kInvalidArgument for a dtype
/// that the format does not know or a name that stands twice
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata = {});

}  // namespace medaug
