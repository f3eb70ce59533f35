// SPDX-License-Identifier: MIT
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <utility>
#include <vector>

#include "nn/layers.h"

namespace medaug::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// saved_data holds only IValues: the body travels in a capsule and dies with the graph node.
struct BodyHolder : torch::CustomClassHolder {
  explicit BodyHolder(CheckpointBody f) : body(std::move(f)) {}
  CheckpointBody body;
};

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& condition,
                        const std::optional<Tensor>& caption, at::TensorList parameters,
                        const CheckpointBody& body) {
    variable_list kept{x, condition, caption.value_or(Tensor())};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    ctx->save_for_backward(kept);
    ctx->saved_data["body"] = c10::IValue::make_capsule(c10::make_intrusive<BodyHolder>(body));
    return body(x, condition, caption.value_or(Tensor()));  // gradient mode is off inside a forward
  }

  // The gradients of the weights are returned like those of the inputs: added to the leaves from in
  // here they would be lost to torch::autograd::grad.
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto all = ctx->get_saved_variables();
    for (std::size_t i = 0; i < kInputs; ++i) {
      if (all[i].defined()) {
        all[i] = all[i].detach().requires_grad_(all[i].requires_grad());
      }
    }
    variable_list wanted;
    for (const auto& leaf : all) {
      if (leaf.defined() && leaf.requires_grad()) {
        wanted.push_back(leaf);
      }
    }
    const auto holder =
        c10::static_intrusive_pointer_cast<BodyHolder>(ctx->saved_data["body"].toCapsule());
    const at::AutoGradMode on(true);
    const auto out = holder->body(all[0], all[1], all[2]);
    const auto found = torch::autograd::grad({out}, wanted, {grads[0]}, std::nullopt, false, true);
    auto next = found.begin();
    for (auto& leaf : all) {
      leaf = leaf.defined() && leaf.requires_grad() ? *next++ : Tensor();
    }
    all.emplace_back();  // the body has none
    return all;
  }

  static constexpr std::size_t kInputs = 3;
};

}  // namespace

Tensor checkpointed(const CheckpointBody& body, const std::vector<Tensor>& parameters,
                    const Tensor& x, const Tensor& condition, const Tensor& caption) {
  const auto optional = caption.defined() ? std::optional<Tensor>(caption) : std::nullopt;
  return Checkpointed::apply(x, condition, optional, at::TensorList(parameters), body);
}

}  // namespace medaug::nn
