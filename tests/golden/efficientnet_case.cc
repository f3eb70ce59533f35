// SPDX-License-Identifier: MIT
// Features, logits and best classes of EfficientNet-Lite0 with its ImageNet weights, against the
// package that they come from.

#include <ATen/ATen.h>

#include "cases.h"
#include "checkpoint/load.h"
#include "evaluation/extractor.h"
#include "models/efficientnet.h"

namespace medaug::golden {
namespace {

const char* const kFile = "case.safetensors";

/// (N, 3, H, W) in [-1, 1] of the stored levels (N, H, W, 3).
at::Tensor unit_range(const at::Tensor& levels) {
  return levels.permute({0, 3, 1, 2}).to(at::kFloat) / 127.5 - 1.0;
}

}  // namespace

void run_efficientnet_lite0(CaseFolder& folder) {
  const auto weights = find_weights("efficientnet_lite0.safetensors");
  if (!weights) {
    throw Skipped("the weights are not there; 'make setup' fetches them");
  }
  const at::NoGradGuard no_grad;
  EfficientNetLite0 network(1000, std::nullopt);
  copy_into(all_tensors(network), read_safetensors(*weights));
  network.eval();
  const auto images = folder.input(kFile, "image_u8");
  folder.compare(kFile, "input", network.prepare(unit_range(images), EfficientNetLite0::kSide));
  const auto features = network.features(folder.stored(kFile, "input"));
  folder.compare(kFile, "features", features);
  const auto logits = network.classify(features);
  folder.compare(kFile, "logits", logits);
  const auto best = logits.argmax(1).to(at::kDouble);
  folder.compare_numbers("case.json", "top1",
                         {best.data_ptr<double>(), best.data_ptr<double>() + best.numel()},
                         folder.json().at("top1").get<std::vector<double>>());
  const auto tensors = all_tensors(network);
  folder.compare_counts("case.json", "keys", std::ssize(tensors),
                        std::ssize(folder.json().at("keys")));
  for (const auto& [name, tensor] : tensors) {
    const auto shape = tensor.sizes().vec();
    if (folder.json().at("keys").value(name, std::vector<std::int64_t>{-1}) != shape) {
      folder.fail("case.json", name, "is not among the keys, or has another shape");
    }
  }
}

}  // namespace medaug::golden
