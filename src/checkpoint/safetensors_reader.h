// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

#include "base/files.h"
#include "checkpoint/safetensors_header.h"

namespace medaug {

/// One safetensors file held open: its header, and its tensors one at a time. Strict as
/// `read_safetensors`. Reading is thread-safe.
class SafetensorsReader {
 public:
  /// @throws Error kCheckpoint with file, tensor and what is wrong
  explicit SafetensorsReader(std::filesystem::path path);

  const SafetensorsHeader& header() const { return header_; }
  const std::filesystem::path& path() const { return file_.path(); }
  std::int64_t size() const { return file_.size(); }  ///< in bytes, when it was opened
  /// @param entry  one of the header's  @return on the CPU, in memory of its own
  at::Tensor read(const TensorEntry& entry) const;

 private:
  InputFile file_;
  std::int64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

at::ScalarType scalar_type(const TensorEntry& entry);
/// As the format writes it. @param tensor  named in the error
/// @throws Error kInvalidArgument for a dtype that it does not know
std::string dtype_name(const std::string& tensor, at::ScalarType type);

/// The error for a tensor that is not there, with the nearest name that is.
Error no_such_tensor(const std::filesystem::path& path, const std::string& name,
                     const std::vector<std::string>& names);

}  // namespace medaug
