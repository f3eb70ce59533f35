// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/lineage/key_map.h"
#include "checkpoint/safetensors.h"
#include "models/nextdit.h"

namespace medaug::test {

/// A Lumina-Next of toy size.
inline NextDiTOptions small_backbone() {
  NextDiTOptions o;
  o.patch_size = 2;
  o.in_channels = o.out_channels = 4;
  o.mask_classes = 0;
  o.dim = 32;
  o.layers = 2;
  o.heads = 4;
  o.kv_heads = 2;
  o.caption_dim = 24;
  o.learn_sigma = true;
  return o;
}

using TensorMap = std::map<std::string, at::Tensor>;

/// Weights as if they were trained: none is zero.
inline TensorMap random_weights(const NextDiTOptions& options, at::ScalarType dtype = at::kFloat) {
  const at::NoGradGuard no_grad;
  TensorMap weights;
  for (const auto& [name, parameter] :
       nn::named_parameters(NextDiT(options, std::nullopt, at::kMeta))) {
    weights[name] = (at::randn(parameter.sizes()) * 0.2).to(dtype);
  }
  return weights;
}

inline TensorMap in_diffusers_form(const TensorMap& weights) {
  TensorMap out;
  for (const auto& [name, tensor] : weights) {
    for (const auto& key : diffusers_keys(name)) {
      out[key] = tensor;
    }
  }
  return out;
}

inline void save(const std::filesystem::path& path, const TensorMap& weights,
                 const Metadata& metadata = {}) {
  write_safetensors(path, NamedTensors(weights.begin(), weights.end()), metadata);
}

}  // namespace medaug::test
