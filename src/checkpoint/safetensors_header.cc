// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace medaug {
namespace {

using Json = nlohmann::json;
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::size_t kMaxTensors = 100'000;
constexpr std::size_t kMaxDimensions = 64;
constexpr std::size_t kMaxMetadataBytes = 32'000'000;

constexpr std::array<std::pair<std::string_view, std::int64_t>, 13> kDtypes{{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"I16", 2},
    {"U16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"I32", 4},
    {"U32", 4},
    {"F32", 4},
    {"I64", 8},
    {"U64", 8},
    {"F64", 8},
}};

/// Errors of one file, or of one tensor in it.
class Complaint {
 public:
  explicit Complaint(std::string_view file, std::string_view tensor = {}) : where_(file) {
    if (!tensor.empty()) {
      where_.append(": tensor '").append(printable(tensor)).append("'");
    }
  }
  [[noreturn]] void operator()(std::string_view message, std::string_view hint = {}) const {
    throw Error(ErrorCode::kCheckpoint, where_, message, hint);
  }

 private:
  std::string where_;
};

void check_name(const std::string& name, std::string_view file) {
  if (name.empty()) {
    Complaint{file}("a tensor has an empty name");
  }
  const bool climbs =
      name == ".." || name.starts_with("../") || name.find("/..") != std::string::npos;
  if (climbs || printable(name, name.size()) != name) {
    Complaint{file, name}("this name is not allowed");
  }
}

std::int64_t as_count(const Json& json, std::string_view what, const Complaint& complain) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > kMost) {
    complain(std::string(what) + " " + printable(json.dump(), 40) + " is not a whole number >= 0");
  }
  return json.get<std::int64_t>();
}

const Json& member(const Json& info, const char* key, Json::value_t type,
                   const Complaint& complain) {
  const auto found = info.find(key);
  if (found == info.end()) {
    complain(std::string("has no '") + key + "'");
  }
  if (found->type() != type) {
    complain(std::string("'") + key + "' is a " + found->type_name());
  }
  return *found;
}

std::int64_t bytes_of(const TensorEntry& entry, const Complaint& complain) {
  // A side of 0 must not hide that the strides of the others overflow.
  std::int64_t bytes = dtype_bytes(entry.dtype);
  bool empty = false;
  for (const std::int64_t size : entry.shape) {
    empty = empty || size == 0;
    if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(1, size), &bytes)) {
      complain("its size overflows");
    }
  }
  return empty ? 0 : bytes;
}

void parse_shape(const Json& info, const Complaint& complain, TensorEntry& entry) {
  entry.dtype = member(info, "dtype", Json::value_t::string, complain).get<std::string>();
  if (dtype_bytes(entry.dtype) == 0) {
    complain("unknown dtype '" + printable(entry.dtype, 40) + "'",
             "allowed: BOOL, U8, I8, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64");
  }
  const Json& shape = member(info, "shape", Json::value_t::array, complain);
  if (shape.size() > kMaxDimensions) {
    complain("has " + std::to_string(shape.size()) + " dimensions");
  }
  for (const Json& size : shape) {
    entry.shape.push_back(as_count(size, "dimension", complain));
  }
}

void parse_offsets(const Json& info, const Complaint& complain, TensorEntry& entry) {
  const Json& offsets = member(info, "data_offsets", Json::value_t::array, complain);
  if (offsets.size() != 2) {
    complain("'data_offsets' must have two numbers");
  }
  entry.begin = as_count(offsets[0], "offset", complain);
  entry.end = as_count(offsets[1], "offset", complain);
  if (entry.begin > entry.end) {
    complain("begins after its end");
  }
  const std::int64_t bytes = bytes_of(entry, complain);
  if (entry.end - entry.begin != bytes) {
    complain("has " + std::to_string(entry.end - entry.begin) + " bytes of data, its shape needs " +
             std::to_string(bytes));
  }
}

TensorEntry parse_entry(const std::string& name, const Json& info, std::string_view file) {
  check_name(name, file);
  const Complaint complain(file, name);
  if (!info.is_object() || info.size() != 3) {
    complain("must have exactly 'dtype', 'shape' and 'data_offsets'");
  }
  TensorEntry entry;
  entry.name = name;
  parse_shape(info, complain, entry);
  parse_offsets(info, complain, entry);
  return entry;
}

Metadata parse_metadata(const Json& json, std::string_view file) {
  if (!json.is_object()) {
    Complaint{file}("'__metadata__' is not an object");
  }
  Metadata metadata;
  std::size_t bytes = 0;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      Complaint{file}("metadata '" + printable(key) + "' is not text");
    }
    metadata[key] = value.get<std::string>();
    bytes += key.size() + metadata[key].size();
  }
  if (bytes > kMaxMetadataBytes) {
    Complaint{file}("has " + human_bytes(static_cast<double>(bytes)) + " of metadata");
  }
  return metadata;
}

/// The data of the tensors lies one behind the other and fills the file.
void check_cover(const std::vector<TensorEntry>& entries, std::int64_t data_bytes,
                 std::string_view file) {
  std::int64_t reached = 0;
  for (const auto& entry : entries) {
    const Complaint complain(file, entry.name);
    if (entry.end > data_bytes) {
      complain("ends at byte " + std::to_string(entry.end) + " of the data, the file has " +
                   std::to_string(data_bytes),
               "the file is cut: copy or download it again");
    }
    if (entry.begin != reached) {
      complain(entry.begin < reached ? "overlaps the tensor before it"
                                     : "leaves a gap after the tensor before it",
               "the file is damaged: copy or download it again");
    }
    reached = entry.end;
  }
  if (reached != data_bytes) {
    Complaint{file}("has " + std::to_string(data_bytes - reached) +
                        " bytes after its last tensor that belong to none",
                    "the file is damaged: copy or download it again");
  }
}

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const auto size : shape) {
    text.append(text.empty() ? "[" : ", ").append(std::to_string(size));
  }
  return text.empty() ? "[]" : text + "]";
}

std::int64_t dtype_bytes(std::string_view dtype) {
  for (const auto& [name, bytes] : kDtypes) {
    if (name == dtype) {
      return bytes;
    }
  }
  return 0;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes,
                                           std::string_view where) {
  const auto last = json.find_last_not_of(' ');
  if (!json.starts_with('{') || json[last] != '}') {
    Complaint{where}("its header is not a JSON object");
  }
  const Json parsed =
      parse_sorted_json(json, std::string(where) + ": header",
                        {.code = ErrorCode::kCheckpoint, .max_depth = 3, .max_keys = kMaxTensors});
  SafetensorsHeader header;
  for (const auto& [name, info] : parsed.items()) {
    if (name == kMetadataKey) {
      header.metadata = parse_metadata(info, where);
    } else {
      header.entries.push_back(parse_entry(name, info, where));
    }
  }
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_cover(header.entries, data_bytes, where);
  return header;
}

std::string format_safetensors_header(std::span<const TensorEntry> entries,
                                      const Metadata& metadata) {
  auto json = nlohmann::ordered_json::object();
  if (!metadata.empty()) {
    json[std::string(kMetadataKey)] = metadata;
  }
  for (const auto& entry : entries) {
    json[entry.name] = {
        {"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text = json.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins at a multiple of eight
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(text.size() >> (8 * i) & 0xFF));
  }
  return out + text;
}

ForeignFormat foreign_format(std::string_view first) {
  const std::string convert =
      "only safetensors is read; convert it where it is trusted: python -c \"import torch, "
      "safetensors.torch as s; "
      "s.save_file(torch.load('model.pth', weights_only=True), 'model.safetensors')\"";
  if (first.starts_with("version https://git-lfs")) {
    return {"a git-lfs pointer, not the file itself", "fetch the file: git lfs pull"};
  }
  if (first.starts_with("PK\x03\x04")) {
    return {"a ZIP archive (a .pth or .pt file of PyTorch?)", convert};
  }
  if (first.size() >= 2 && first[0] == '\x80' && first[1] >= 2 && first[1] <= 5) {
    return {"a Python pickle (an old .pth file of PyTorch?)", convert};
  }
  if (first.starts_with("GGUF")) {
    return {"a GGUF file", "only safetensors is read"};
  }
  if (first.starts_with("\x89HDF\r\n\x1a\n")) {
    return {"an HDF5 file", "only safetensors is read"};
  }
  if (first.starts_with("<!DOCTYPE") || first.starts_with("<html")) {
    return {"an HTML page", "the download gave a web page: fetch the file again"};
  }
  return {};
}

}  // namespace medaug
