// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors_reader.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMaxHeaderBytes = 100'000'000;

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 13> kDtypes{{
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"I16", at::kShort},
    {"U16", at::kUInt16},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I32", at::kInt},
    {"U32", at::kUInt32},
    {"F32", at::kFloat},
    {"I64", at::kLong},
    {"U64", at::kUInt64},
    {"F64", at::kDouble},
}};

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

const char* const kCut = "the file is cut, or no such file: copy or download it again";

[[noreturn]] void refuse(const InputFile& file, const std::string& what,
                         const char* hint = "models are read from .safetensors files only") {
  std::string first(static_cast<std::size_t>(std::min<std::int64_t>(file.size(), 64)), '\0');
  file.read_at(0, first);
  const ForeignFormat foreign = foreign_format(first);
  if (!foreign.name.empty()) {
    throw Error(ErrorCode::kCheckpoint, shown(file.path()), "is " + foreign.name, foreign.hint);
  }
  throw Error(ErrorCode::kCheckpoint, shown(file.path()), "is not a safetensors file: " + what,
              hint);
}

/// @return  the JSON, which begins at byte 8
std::string read_header_text(const InputFile& file) {
  if (file.size() < 8) {
    refuse(file, "it has " + std::to_string(file.size()) + " bytes", kCut);
  }
  std::array<char, 8> length_bytes;
  file.read_at(0, length_bytes);
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(length_bytes[i]);
  }
  if (length > static_cast<std::uint64_t>(file.size() - 8)) {
    refuse(file, "its header of " + std::to_string(length) + " bytes does not fit in", kCut);
  }
  const auto header_bytes = static_cast<std::int64_t>(length);
  if (header_bytes > kMaxHeaderBytes || header_bytes < 2) {
    refuse(file, "its header has " + std::to_string(length) + " bytes");
  }
  std::string json(static_cast<std::size_t>(header_bytes), '\0');
  file.read_at(8, json);
  if (!json.starts_with('{')) {
    refuse(file, "its header does not begin with '{'");
  }
  return json;
}

/// A byte that is neither 0 nor 1 would be undefined behaviour in every kernel that reads it.
void check_bools(std::span<const char> bytes, const TensorEntry& entry, const fs::path& path) {
  if (std::any_of(bytes.begin(), bytes.end(), [](char byte) { return byte != 0 && byte != 1; })) {
    throw Error(ErrorCode::kCheckpoint, shown(path) + ": tensor '" + entry.name + "'",
                "has a BOOL that is neither 0 nor 1");
  }
}

}  // namespace

SafetensorsReader::SafetensorsReader(fs::path path)
    : file_(std::move(path), ErrorCode::kCheckpoint) {
  const std::string json = read_header_text(file_);
  data_begin_ = 8 + static_cast<std::int64_t>(json.size());
  header_ = parse_safetensors_header(json, file_.size() - data_begin_, shown(file_.path()));
}

at::Tensor SafetensorsReader::read(const TensorEntry& entry) const {
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions(scalar_type(entry)));
  const std::span bytes(static_cast<char*>(tensor.mutable_data_ptr()),
                        static_cast<std::size_t>(entry.end - entry.begin));
  file_.read_at(data_begin_ + entry.begin, bytes);
  if (entry.dtype == "BOOL") {
    check_bools(bytes, entry, file_.path());
  }
  return tensor;
}

at::ScalarType scalar_type(const TensorEntry& entry) {
  for (const auto& [name, type] : kDtypes) {
    if (name == entry.dtype) {
      return type;
    }
  }
  throw Error(ErrorCode::kInternal, entry.dtype, "dtype without a scalar type");
}

std::string dtype_name(const std::string& tensor, at::ScalarType type) {
  for (const auto& [name, candidate] : kDtypes) {
    if (candidate == type) {
      return std::string(name);
    }
  }
  throw Error(ErrorCode::kInvalidArgument, "tensor '" + tensor + "'",
              std::string("safetensors has no dtype ") + c10::toString(type));
}

Error no_such_tensor(const fs::path& path, const std::string& name,
                     const std::vector<std::string>& names) {
  const std::string near = nearest(name, names);
  return {ErrorCode::kCheckpoint, shown(path), "has no tensor '" + printable(name) + "'",
          near.empty() ? "" : "it has '" + near + "'"};
}

}  // namespace medaug
