// SPDX-License-Identifier: MIT
#include "models/lora.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/strings.h"
#include "nn/layers.h"

namespace medaug {
namespace {

constexpr std::array<std::string_view, 9> kLayers{
    "attention.wq",   "attention.wk",    "attention.wv",    "attention.wo",   "attention.wk_y",
    "attention.wv_y", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3"};
constexpr std::array<std::string_view, 4> kEnds{"mask_embedder", "mask_mid", "mask_in",
                                                "augment_embedder"};

/// "attention.wq" is meant by itself, by "wq" and by "attention".
bool means(const std::string& target, std::string_view layer) {
  const auto dot = layer.find('.');
  return target == layer || target == layer.substr(0, dot) || target == layer.substr(dot + 1);
}

bool is_inside(std::string_view name, std::string_view layer) {
  return name.size() > layer.size() && name.ends_with(layer) &&
         name[name.size() - layer.size() - 1] == '.';
}

template <class Visit>
void for_each_linear(torch::nn::Module& model, const Visit& visit) {
  for (const auto& item : model.named_modules({}, false)) {
    if (auto* const linear = item.value()->as<nn::Linear>()) {
      visit(item.key(), *linear);
    }
  }
}

}  // namespace

std::vector<std::string> lora_layers(const std::vector<std::string>& targets,
                                     std::string_view where) {
  for (const auto& target : targets) {
    if (std::none_of(kLayers.begin(), kLayers.end(),
                     [&](std::string_view layer) { return means(target, layer); })) {
      throw Error(ErrorCode::kConfig, where, "unknown target '" + printable(target, 60) + "'",
                  "allowed: attention, feed_forward, wq, wk, wv, wo, wk_y, wv_y, w1, w2, w3");
    }
  }
  std::vector<std::string> layers;
  for (const auto layer : kLayers) {
    if (std::any_of(targets.begin(), targets.end(),
                    [&](const std::string& target) { return means(target, layer); })) {
      layers.emplace_back(layer);
    }
  }
  if (layers.empty()) {
    throw Error(ErrorCode::kConfig, where, "there are no targets",
                "leave the key out for attention and feed_forward");
  }
  return layers;
}

void add_lora(torch::nn::Module& model, const LoraOptions& options, std::uint64_t seed) {
  for (auto& item : model.named_parameters()) {
    item.value().set_requires_grad(options.train_ends && is_new_end(item.key()));
  }
  const auto layers = lora_layers(options.targets, "lora.targets");
  nn::Initializer init(seed, model.parameters().front().device());
  for_each_linear(model, [&](const std::string& name, nn::Linear& linear) {
    if (std::any_of(layers.begin(), layers.end(),
                    [&](const std::string& layer) { return is_inside(name, layer); })) {
      linear.add_adapter(options.rank, options.scale(), init);
    }
  });
}

void drop_adapter_inputs(torch::nn::Module& model, double dropout, std::uint64_t seed,
                         std::uint64_t draw) {
  std::uint64_t place = 0;
  for_each_linear(model, [&](const std::string&, nn::Linear& linear) {
    auto& adapter = linear.adapter;
    if (!adapter.a.defined()) {
      return;
    }
    if (dropout <= 0.0) {
      adapter.kept = at::Tensor();
      return;
    }
    RandomStream stream(seed, Purpose::kAdapterDrop, draw, place++);
    auto kept = at::empty({adapter.a.size(1)}, at::TensorOptions().dtype(at::kFloat));
    auto* values = kept.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < kept.numel(); ++i) {
      values[i] = stream.chance(dropout) ? 0.0F : static_cast<float>(1.0 / (1.0 - dropout));
    }
    adapter.kept = kept.to(adapter.a.device(), adapter.a.scalar_type());
  });
}

bool is_new_end(std::string_view parameter) {
  const auto layer = parameter.substr(0, parameter.rfind('.'));
  return std::any_of(kEnds.begin(), kEnds.end(),
                     [&](std::string_view end) { return layer == end || is_inside(layer, end); });
}

NextDiTOptions without_new_ends(NextDiTOptions options, const NextDiTOptions& base) {
  options.preset = base.preset;
  options.gate_init = base.gate_init;  // the first value of gates that come with the weights
  if (base.mask_classes == 0) {
    options.mask_classes = 0;
  }
  if (base.augment_features == 0) {
    options.augment_features = 0;
  }
  return options;
}

bool is_adapter(std::string_view parameter) {
  return parameter.ends_with(".lora_A") || parameter.ends_with(".lora_B");
}

}  // namespace medaug
