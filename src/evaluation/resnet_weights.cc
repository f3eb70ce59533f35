// SPDX-License-Identifier: MIT
#include "evaluation/resnet_weights.h"

#include <string>
#include <string_view>

#include "base/error.h"
#include "checkpoint/load.h"

namespace medaug {
namespace {

constexpr std::string_view kStem = "conv1.weight", kNumberedStem = "0.weight";
constexpr std::string_view kCount = "num_batches_tracked";
constexpr int kFirstLayer = 4;  // Sequential: convolution, norm, ReLU, pooling, layer1

/// How a file calls the tensors.
struct Naming {
  std::string prefix;
  bool numbered = false;

  std::string of(const std::string& key) const {
    if (!numbered) {
      return prefix + key;
    }
    const auto dot = key.find('.');
    const auto part = key.substr(0, dot);
    const int number = part == "conv1" ? 0 : part == "bn1" ? 1 : kFirstLayer + part.back() - '1';
    return prefix + std::to_string(number) + key.substr(dot);
  }
};

/// The stem's shape is like no other's, so its name tells the prefix.
Naming naming_of(const SafetensorsFile& file, at::IntArrayRef stem) {
  for (const auto& [name, tensor] : file.tensors) {
    if (tensor.sizes() != stem) {
      continue;
    }
    for (const auto ending : {kStem, kNumberedStem}) {
      if (name.ends_with(ending)) {
        return {name.substr(0, name.size() - ending.size()), ending == kNumberedStem};
      }
    }
  }
  throw Error(ErrorCode::kCheckpoint, file.path.string(),
              "holds no ResNet of this shape: there is no first convolution 'conv1.weight'",
              "weights are read in torchvision's layout, as safetensors");
}

}  // namespace

void load_resnet_weights(ResNet& network, const std::filesystem::path& path) {
  const auto file = read_safetensors(path);
  require_finite(file);
  const auto tensors = all_tensors(network);
  const auto naming = naming_of(file, tensors.front().second.sizes());
  NamedTensors targets;
  SafetensorsFile renamed;
  renamed.path = path;
  for (const auto& [key, target] : tensors) {
    const auto found = file.tensors.find(naming.of(key));
    const bool may_lack = key.ends_with(kCount);  // older exports have none
    if (key.starts_with("fc.") || (may_lack && found == file.tensors.end())) {
      continue;
    }
    targets.emplace_back(key, target);
    if (found != file.tensors.end()) {
      renamed.tensors.emplace(key, found->second);
    }
  }
  copy_into(targets, renamed);
}

}  // namespace medaug
