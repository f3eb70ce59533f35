// SPDX-License-Identifier: MIT
// Residual networks: inference at even and odd sizes, one training step, and the layout of the real
// ones, against torchvision.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>

#include "cases.h"
#include "checkpoint/load.h"
#include "models/resnet.h"

namespace medaug::golden {
namespace {

/// Options of one network of case.json, narrow as the stored weights are.
ResNetOptions options_of(const Json& config, std::int64_t width) {
  ResNetOptions options;
  options.blocks = config.at("layers").get<std::vector<std::int64_t>>();
  options.bottleneck = config.at("block").get<std::string>().starts_with("bottleneck");
  options.classes = config.at("classes").get<std::int64_t>();
  options.width = width;
  return options;
}

void inference(CaseFolder& folder, const std::string& file, ResNet& network) {
  network.eval();
  const at::NoGradGuard no_grad;
  for (const std::string run : {"a", "b"}) {
    const auto x = folder.input(file, "eval." + run + ".x");
    folder.compare(file, "eval." + run + ".logits", network.classify(network.features(x)));
  }
  const auto first = folder.stored(file, "eval.a.x").narrow(0, 0, 1);
  const auto stages = network.stages(first);
  folder.compare(file, "eval.conv1", stages[0]);
  folder.compare(file, "eval.maxpool", stages[1]);
  for (std::size_t i = 2; i < stages.size(); ++i) {
    folder.compare(file, "eval.layer" + std::to_string(i - 1), stages[i]);
  }
  folder.compare(file, "eval.avgpool", network.features(first).view({1, -1, 1, 1}));
}

void training_step(CaseFolder& folder, const std::string& file, ResNet& network) {
  network.train();
  const at::AutoGradMode with_gradients(true);
  const auto x = folder.input(file, "train.x"), y = folder.input(file, "train.y");
  const auto logits = network.classify(network.features(x));
  folder.compare(file, "train.logits", logits.detach());
  const auto loss = [&](double smoothing) {
    return at::cross_entropy_loss(logits, y, {}, at::Reduction::Mean, -100, smoothing);
  };
  const auto smoothed = loss(0.1);
  folder.compare(file, "train.loss", loss(0.0).detach().view({1}));
  folder.compare(file, "train.loss_label_smoothing_0.1", smoothed.detach().view({1}));
  for (const auto& item : network.named_parameters()) {
    const auto name = "train.grad." + item.key();
    if (folder.has(file, name)) {
      folder.compare(file, name,
                     torch::autograd::grad({smoothed}, {item.value()}, {}, true).front());
    }
  }
  for (const auto& item : network.named_buffers()) {
    folder.compare_if_stored(file, "train.after." + item.key(), item.value());
  }
}

void layout(CaseFolder& folder, const std::string& name, ResNetOptions options) {
  options.width = 64;
  options.classes = 1000;
  const ResNet network(options, std::nullopt);
  const auto want = folder.read_json("layout.json").at(name);
  const auto tensors = all_tensors(network);
  folder.compare_counts("layout.json", name + " tensors", std::ssize(tensors), want.at("tensors"));
  folder.compare_counts("layout.json", name + " parameters", nn::parameter_count(network),
                        want.at("parameters"));
  for (const auto& [key, tensor] : tensors) {
    const auto shape = tensor.sizes().vec();
    if (want.at("shapes").value(key, std::vector<std::int64_t>{-1}) != shape) {
      folder.fail("layout.json", name + " " + key, "is not there, or has another shape");
    }
  }
}

}  // namespace

void run_resnet(CaseFolder& folder) {
  for (const auto& [name, config] : folder.json().at("config").items()) {
    const auto weights = folder.inputs(name + ".weights.safetensors");
    const auto options = options_of(config, weights.at("conv1.weight").size(0));
    ResNet network(options, std::nullopt);
    SafetensorsFile file;
    file.tensors = weights;
    copy_into(all_tensors(network), file);
    inference(folder, name + ".io.safetensors", network);
    training_step(folder, name + ".io.safetensors", network);
    layout(folder, name, options);
  }
}

}  // namespace medaug::golden
