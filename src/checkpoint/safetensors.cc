// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/safetensors_reader.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

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
  throw no_such_tensor(path, name, names);
}

SafetensorsFile read_safetensors(const fs::path& path) {
  const SafetensorsReader reader(path);
  SafetensorsFile out{.metadata = reader.header().metadata, .tensors = {}, .path = path};
  for (const auto& entry : reader.header().entries) {
    out.tensors.emplace(entry.name, reader.read(entry));
  }
  return out;
}

SafetensorsFile read_safetensors_header(const fs::path& path) {
  const SafetensorsReader reader(path);
  SafetensorsFile out{.metadata = reader.header().metadata, .tensors = {}, .path = path};
  for (const auto& entry : reader.header().entries) {
    const auto options = at::TensorOptions(scalar_type(entry)).device(at::kMeta);
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
    entries.push_back(
        {name, dtype_name(name, tensor.scalar_type()), tensor.sizes().vec(), offset, end});
    pieces.push_back(bytes_of(tensor));
    offset = end;
  }
  const std::string header = format_safetensors_header(entries, metadata);
  pieces.front() = header;
  write_file_atomically(path, pieces);
}

}  // namespace medaug
