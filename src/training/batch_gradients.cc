// SPDX-License-Identifier: MIT
#include "training/batch_gradients.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

namespace medaug {
namespace {

using torch::autograd::variable_list;

struct PartResult {
  double loss = 0.0;
  variable_list gradients;  ///< undefined for a parameter that was not reached
};

/// Adds the gradients of all parts to those of the first.
void add_parts(std::vector<PartResult>& parts) {
  const auto team = static_cast<int>(parts.size());
  const auto count = parts.front().gradients.size();
  nn::run_team(team, [&](int member) {
    const at::NoGradGuard no_grad;
    for (auto i = static_cast<std::size_t>(member); i < count; i += parts.size()) {
      auto& sum = parts.front().gradients[i];
      for (std::size_t k = 1; k < parts.size(); ++k) {
        const auto& more = parts[k].gradients[i];
        if (sum.defined() && more.defined()) {
          sum.add_(more);
        } else if (more.defined()) {
          sum = more;
        }
      }
    }
  });
}

}  // namespace

double batch_gradients(const std::vector<at::Tensor>& parameters, const BatchShape& batch,
                       const std::function<at::Tensor(nn::Share)>& loss_of) {
  const int team = nn::team_size(batch.images, batch.device);
  std::vector<PartResult> parts(static_cast<std::size_t>(team));
  nn::run_team(team, batch.images, [&](int part, nn::Share share) {
    const at::AutoGradMode with_gradients(true);
    const auto loss = loss_of(share);
    auto gradients =
        torch::autograd::grad({loss * batch.factor}, parameters, {}, false, false, true);
    parts[static_cast<std::size_t>(part)] = {loss.item<double>(), std::move(gradients)};
  });
  add_parts(parts);
  double loss = 0.0;
  for (const auto& part : parts) {
    loss += part.loss;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor(parameters[i]).mutable_grad() = parts.front().gradients[i];
  }
  return loss;
}

}  // namespace medaug
