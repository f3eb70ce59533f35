// SPDX-License-Identifier: MIT
#include "evaluation/resnet_weights.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;

ResNetOptions narrow() {
  ResNetOptions options;
  options.blocks = {1, 2, 1, 1};
  options.width = 4;
  options.classes = 3;
  return options;
}

/// The weights of seed 5 under other names; an empty name leaves a tensor out.
std::filesystem::path stored(const TempFolder& folder,
                             const std::function<std::string(const std::string&)>& rename) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : all_tensors(ResNet(narrow(), 5))) {
    if (const auto other = rename(name); !other.empty()) {
      tensors.emplace_back(other, tensor.detach());
    }
  }
  const auto file = folder.path() / "weights.safetensors";
  write_safetensors(file, tensors);
  return file;
}

at::Tensor features(ResNet& network) {
  const at::NoGradGuard no_grad;
  network.eval();
  return network.features(at::linspace(-1.0, 1.0, 3 * 40 * 40).view({1, 3, 40, 40}));
}

void expect_loads(const std::function<std::string(const std::string&)>& rename) {
  const TempFolder folder;
  ResNet want(narrow(), 5), got(narrow(), 6);
  ASSERT_FALSE(features(got).equal(features(want)));
  load_resnet_weights(got, stored(folder, rename));
  EXPECT_TRUE(features(got).equal(features(want)));
}

TEST(ResNetWeights, TorchvisionsKeysWithAndWithoutAPrefix) {
  expect_loads([](const std::string& name) { return name; });
  expect_loads([](const std::string& name) { return "module." + name; });
  expect_loads([](const std::string& name) { return "module.backbone." + name; });
}

TEST(ResNetWeights, NumbersOfASequence) {
  expect_loads([](const std::string& name) -> std::string {
    const auto dot = name.find('.');
    const auto part = name.substr(0, dot);
    if (part == "fc") {
      return "";
    }
    const auto number = part == "conv1" ? 0 : part == "bn1" ? 1 : 3 + std::stoi(part.substr(5));
    return "backbone." + std::to_string(number) + name.substr(dot);
  });
}

TEST(ResNetWeights, NeitherTheClassifierNorTheCountsOfBatchesAreNeeded) {
  expect_loads([](const std::string& name) {
    return name.starts_with("fc.") || name.ends_with("num_batches_tracked") ? "" : name;
  });
}

TEST(ResNetWeights, AMissingTensorIsNamed) {
  const TempFolder folder;
  const auto file = stored(
      folder, [](const std::string& name) { return name == "layer2.1.bn3.bias" ? "" : name; });
  ResNet network(narrow());
  try {
    load_resnet_weights(network, file);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    EXPECT_THAT(e.what(), HasSubstr("layer2.1.bn3.bias"));
  }
}

TEST(ResNetWeights, AnotherNetworkIsRefused) {
  const TempFolder folder;
  const auto file = stored(folder, [](const std::string& name) { return name; });
  auto wider = narrow();
  wider.width = 8;
  ResNet network(wider);
  try {
    load_resnet_weights(network, file);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("no ResNet of this shape"));
  }
}

}  // namespace
}  // namespace medaug
