// SPDX-License-Identifier: MIT
#include "evaluation/classifier_network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "checkpoint/load.h"
#include "evaluation/resnet_weights.h"
#include "models/efficientnet.h"
#include "nn/team.h"

namespace medaug {
namespace {

using at::Tensor;
using Gradients = torch::autograd::variable_list;

/// Moves the running means and variances into one block of memory. @return the block
Tensor gather_statistics(torch::nn::Module& network) {
  std::vector<Tensor> buffers, flat;
  for (const auto& buffer : network.buffers()) {
    if (buffer.is_floating_point()) {
      buffers.push_back(buffer);
      flat.push_back(buffer.flatten());
    }
  }
  const auto block = at::cat(flat);
  std::int64_t offset = 0;
  for (auto& buffer : buffers) {
    buffer.set_data(block.narrow(0, offset, buffer.numel()).view(buffer.sizes()));
    offset += buffer.numel();
  }
  return block;
}

}  // namespace

std::shared_ptr<ImageNetwork> make_network(const ClassifierLayout& layout,
                                           std::optional<std::uint64_t> seed) {
  switch (layout.network) {
    case ClassifierNetwork::kEfficientNetLite0:
      return std::make_shared<EfficientNetLite0>(layout.classes, seed);
    case ClassifierNetwork::kResNet50: {
      ResNetOptions options;
      options.classes = layout.classes;
      return std::make_shared<ResNet>(options, seed);
    }
    case ClassifierNetwork::kSmall:
      break;
  }
  return std::make_shared<ResNet>(small_resnet(layout.channels, layout.side, layout.classes), seed);
}

void load_pretrained(ImageNetwork& network, const std::filesystem::path& weights) {
  if (auto* const resnet = dynamic_cast<ResNet*>(&network)) {
    load_resnet_weights(*resnet, weights);
    return;
  }
  auto file = read_safetensors(weights);
  require_finite(file);
  auto targets = all_tensors(network);
  const auto is_last = [](const std::string& name) { return name.starts_with("_fc."); };
  std::erase_if(targets, [&](const auto& target) { return is_last(target.first); });
  std::erase_if(file.tensors, [&](const auto& entry) { return is_last(entry.first); });
  copy_into(targets, file);
}

PartGradients::PartGradients(std::shared_ptr<ImageNetwork> network, const ClassifierLayout& layout)
    : network_(std::move(network)), layout_(layout), statistics_(gather_statistics(*network_)) {}

PartGradients::Part PartGradients::make_part() const {
  Part part{make_network(layout_, std::nullopt), {}};
  const auto own = part.network->parameters(), shared = network_->parameters();
  for (std::size_t i = 0; i < own.size(); ++i) {
    Tensor(own[i]).set_data(shared[i].data());
  }
  part.statistics = gather_statistics(*part.network);
  part.network->train();
  return part;
}

void PartGradients::set_momentum(double momentum) {
  for (const auto& part : parts_) {
    for (const auto& module : part.network->modules(false)) {
      if (auto* const norm = dynamic_cast<BatchNorm*>(module.get())) {
        norm->set_momentum(momentum);
      }
    }
  }
}

double PartGradients::operator()(const Tensor& images, const Tensor& classes, double smoothing,
                                 double momentum) {
  const auto n = images.size(0);
  const auto count = static_cast<int>(std::max<std::int64_t>(1, n / kImages));
  while (std::ssize(parts_) < count) {
    parts_.push_back(make_part());
  }
  set_momentum(momentum);
  std::vector<Gradients> gradients(static_cast<std::size_t>(count));
  std::vector<double> losses(static_cast<std::size_t>(count));
  nn::run_team(count, n, [&](int number, nn::Share share) {
    const at::AutoGradMode with_gradients(true);
    const auto i = static_cast<std::size_t>(number);
    auto& part = parts_[i];
    part.statistics.copy_(statistics_);
    const auto rows = [&](const Tensor& x) { return x.narrow(0, share.begin, share.count); };
    const auto logits = part.network->classify(part.network->features(rows(images)));
    const auto loss =
        at::cross_entropy_loss(logits, rows(classes), {}, at::Reduction::Sum, -100, smoothing) /
        static_cast<double>(n);
    gradients[i] = torch::autograd::grad({loss}, part.network->parameters());
    losses[i] = loss.item<double>();
  });
  const auto parameters = network_->parameters();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    auto sum = gradients.front()[p];
    for (std::size_t i = 1; i < gradients.size(); ++i) {
      sum = sum + gradients[i][p];
    }
    Tensor(parameters[p]).mutable_grad() = sum;
  }
  const at::NoGradGuard no_grad;
  statistics_.zero_();
  double loss = 0.0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    statistics_.add_(parts_[i].statistics, 1.0 / static_cast<double>(count));
    loss += losses[i];
  }
  return loss;
}

}  // namespace medaug
