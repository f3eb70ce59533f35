// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "base/error.h"
#include "base/files.h"
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

at::ScalarType scalar_type(std::string_view dtype) {
  for (const auto& [name, type] : kDtypes) {
    if (name == dtype) {
      return type;
    }
  }
  throw Error(ErrorCode::kInternal, dtype, "dtype without a scalar type");
}

std::string_view dtype_name(const std::string& tensor, at::ScalarType type) {
  for (const auto& [name, candidate] : kDtypes) {
    if (candidate == type) {
      return name;
    }
  }
  throw Error(ErrorCode::kInvalidArgument, "tensor '" + tensor + "'",
              std::string("safetensors has no dtype ") + c10::toString(type));
}

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

struct OpenedFile {
  SafetensorsHeader header;
  std::int64_t data_begin = 0;
};

[[noreturn]] void refuse(const InputFile& file, const std::string& what) {
  std::string first(static_cast<std::size_t>(std::min<std::int64_t>(file.size(), 64)), '\0');
  file.read_at(0, first);
  const ForeignFormat foreign = foreign_format(first);
  if (!foreign.name.empty()) {
    throw Error(ErrorCode::kCheckpoint, shown(file.path()), "is " + foreign.name, foreign.hint);
  }
  throw Error(ErrorCode::kCheckpoint, shown(file.path()), "is not a safetensors file: " + what,
              "a run keeps its model in checkpoints/best_model.safetensors");
}

OpenedFile read_header(const InputFile& file) {
  if (file.size() < 8) {
    refuse(file, "it has " + std::to_string(file.size()) + " bytes");
  }
  std::array<char, 8> length_bytes;
  file.read_at(0, length_bytes);
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(length_bytes[i]);
  }
  if (length > static_cast<std::uint64_t>(file.size() - 8)) {
    refuse(file, "its header of " + std::to_string(length) + " bytes does not fit in");
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
  const std::int64_t data_begin = 8 + header_bytes;
  return {parse_safetensors_header(json, file.size() - data_begin, shown(file.path())), data_begin};
}

/// A byte that is neither 0 nor 1 would be undefined behaviour in every kernel that reads it.
void check_bools(std::span<const char> bytes, const TensorEntry& entry, const fs::path& path) {
  if (std::any_of(bytes.begin(), bytes.end(), [](char byte) { return byte != 0 && byte != 1; })) {
    throw Error(ErrorCode::kCheckpoint, shown(path) + ": tensor '" + entry.name + "'",
                "has a BOOL that is neither 0 nor 1");
  }
}

at::Tensor read_tensor(const InputFile& file, const TensorEntry& entry, std::int64_t data_begin) {
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions(scalar_type(entry.dtype)));
  const std::span bytes(static_cast<char*>(tensor.mutable_data_ptr()),
                        static_cast<std::size_t>(entry.end - entry.begin));
  file.read_at(data_begin + entry.begin, bytes);
  if (entry.dtype == "BOOL") {
    check_bools(bytes, entry, file.path());
  }
  return tensor;
}

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace

const at::Tensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) {
    return found->second;
  }
  std::vector<std::string> names;
  for (const auto& entry : tensors) {
    names.push_back(entry.first);
  }
  const std::string near = nearest(name, names);
  throw Error(ErrorCode::kCheckpoint, shown(path), "has no tensor '" + printable(name) + "'",
              near.empty() ? "" : "it has '" + near + "'");
}

SafetensorsFile read_safetensors(const fs::path& path) {
  const InputFile file(path, ErrorCode::kCheckpoint);
  OpenedFile opened = read_header(file);
  SafetensorsFile out{.metadata = std::move(opened.header.metadata), .tensors = {}, .path = path};
  for (const auto& entry : opened.header.entries) {
    out.tensors.emplace(entry.name, read_tensor(file, entry, opened.data_begin));
  }
  return out;
}

SafetensorsFile read_safetensors_header(const fs::path& path) {
  const InputFile file(path, ErrorCode::kCheckpoint);
  OpenedFile opened = read_header(file);
  SafetensorsFile out{.metadata = std::move(opened.header.metadata), .tensors = {}, .path = path};
  for (const auto& entry : opened.header.entries) {
    const auto options = at::TensorOptions(scalar_type(entry.dtype)).device(at::kMeta);
    out.tensors.emplace(entry.name, at::empty(entry.shape, options));
  }
  return out;
}

void write_safetensors(const fs::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  NamedTensors ordered;
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      throw Error(ErrorCode::kInvalidArgument, "tensor '" + name + "'", "is given twice");
    }
    ordered.emplace_back(name, tensor.detach().to(at::kCPU).contiguous());
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return a.second.element_size() > b.second.element_size();
  });
  std::vector<TensorEntry> entries;
  std::vector<std::string_view> pieces{{}};
  std::int64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const std::int64_t end = offset + static_cast<std::int64_t>(tensor.nbytes());
    entries.push_back({name, std::string(dtype_name(name, tensor.scalar_type())),
                       tensor.sizes().vec(), offset, end});
    pieces.push_back(bytes_of(tensor));
    offset = end;
  }
  const std::string header = format_safetensors_header(entries, metadata);
  pieces.front() = header;
  write_file_atomically(path, pieces);
}

}  // namespace medaug
