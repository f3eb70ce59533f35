// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors_stream.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace medaug {
namespace {

std::int64_t bytes_of(const PlannedTensor& tensor) {
  std::int64_t bytes = dtype_bytes(tensor.dtype);
  for (const auto size : tensor.shape) {
    bytes *= size;
  }
  return bytes;
}

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "tensor '" + printable(name) + "'", what);
}

std::vector<TensorEntry> laid_out(const std::vector<PlannedTensor>& plan) {
  std::vector<TensorEntry> entries;
  std::set<std::string> names;
  for (const auto& tensor : plan) {
    if (!names.insert(tensor.name).second) {
      refuse(tensor.name, "is given twice");
    }
    if (dtype_bytes(tensor.dtype) == 0) {
      refuse(tensor.name, "safetensors has no dtype " + printable(tensor.dtype));
    }
    entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, bytes_of(tensor)});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
  });
  std::int64_t offset = 0;
  for (auto& entry : entries) {
    entry.begin = std::exchange(offset, offset + entry.end);
    entry.end = offset;
  }
  return entries;
}

std::string_view checked_bytes(const at::Tensor& tensor, const TensorEntry& entry) {
  const bool as_planned = tensor.defined() && tensor.is_cpu() && tensor.is_contiguous() &&
                          tensor.sizes() == at::IntArrayRef(entry.shape) &&
                          tensor.element_size() == dtype_bytes(entry.dtype);
  if (!as_planned) {
    refuse(entry.name, "is not what was planned");
  }
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace

std::int64_t planned_bytes(const std::vector<PlannedTensor>& tensors) {
  std::int64_t bytes = 0;
  for (const auto& tensor : tensors) {
    bytes += bytes_of(tensor);
  }
  return bytes;
}

void stream_safetensors(const std::filesystem::path& path, const std::vector<PlannedTensor>& plan,
                        const TensorMaker& make, const Metadata& metadata) {
  const auto entries = laid_out(plan);
  const std::string header = format_safetensors_header(entries, metadata);
  stream_file_atomically(path, [&](const WritePiece& write) {
    write(header);
    for (const auto& entry : entries) {
      const at::Tensor tensor = make(entry.name);
      write(checked_bytes(tensor, entry));
    }
  });
}

}  // namespace medaug
