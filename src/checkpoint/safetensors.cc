// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors.h"

#include <ATen/ops/empty.h>

#include "base/error.h"
#include "checkpoint/safetensors_reader.h"
#include "checkpoint/safetensors_stream.h"

namespace medaug {
namespace fs = std::filesystem;

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
  std::vector<PlannedTensor> plan;
  std::map<std::string, at::Tensor> by_name;
  for (const auto& [name, tensor] : tensors) {
    plan.push_back({name, dtype_name(name, tensor.scalar_type()), tensor.sizes().vec()});
    by_name.emplace(name, tensor);
  }
  const auto make = [&](const std::string& name) {
    return by_name.at(name).detach().to(at::kCPU).contiguous();
  };
  stream_safetensors(path, plan, make, metadata);
}

}  // namespace medaug
