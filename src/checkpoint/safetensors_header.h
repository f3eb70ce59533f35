// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

using Metadata = std::map<std::string, std::string>;

/// One tensor of a safetensors file.
struct TensorEntry {
  std::string name;
  std::string dtype;  ///< as written: "F32", "BF16", ...
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;  ///< in bytes from the start of the data
  std::int64_t end = 0;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> entries;  ///< in the order of their data
};

/// "[2, 3]"
std::string shape_text(std::span<const std::int64_t> shape);

/// Bytes of one element, or 0 for a name that is not a dtype of ours.
std::int64_t dtype_bytes(std::string_view dtype);

/// Checks everything that the format promises (github.com/huggingface/safetensors, README,
/// "Format"), and more: no tensor name with control characters or "..", at most 100 000 tensors, 64
/// dimensions and 32 MB of metadata.
/// @param json        the header, without its length
/// @param data_bytes  what follows the header in the file
/// @param where       the file, for errors
/// @throws Error kCheckpoint naming the tensor
SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes,
                                           std::string_view where);

/// Length and JSON as they stand at the beginning of a file; entries must lie one behind the other
/// from byte 0 on.
std::string format_safetensors_header(std::span<const TensorEntry> entries,
                                      const Metadata& metadata);

/// What a file that is not safetensors seems to be, from its first bytes ("a git-lfs pointer"), or
/// "".
struct ForeignFormat {
  std::string name;
  std::string hint;
};
ForeignFormat foreign_format(std::string_view first_bytes);

}  // namespace medaug
