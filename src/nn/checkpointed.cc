// SPDX-License-Identifier: MIT
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <utility>

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
                        const std::optional<Tensor>& caption, const CheckpointBody& body) {
    ctx->save_for_backward({x, condition, caption.value_or(Tensor())});
    ctx->saved_data["body"] = c10::IValue::make_capsule(c10::make_intrusive<BodyHolder>(body));
    return body(x, condition, caption.value_or(Tensor()));  // gradient mode is off inside a forward
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    variable_list leaves;
    for (const auto& x : saved) {
      leaves.push_back(x.defined() ? x.detach().requires_grad_() : x);
    }
    const auto holder =
        c10::static_intrusive_pointer_cast<BodyHolder>(ctx->saved_data["body"].toCapsule());
    const at::AutoGradMode on(true);
    const auto out = holder->body(leaves[0], leaves[1], leaves[2]);
    torch::autograd::backward({out}, {grads[0]});  // fills the gradients of the weights too
    return {leaves[0].grad(), leaves[1].grad(), leaves[2].defined() ? leaves[2].grad() : Tensor(),
            Tensor()};
  }
};

}  // namespace

Tensor checkpointed(const CheckpointBody& body, const Tensor& x, const Tensor& condition,
                    const Tensor& caption) {
  const auto optional = caption.defined() ? std::optional<Tensor>(caption) : std::nullopt;
  return Checkpointed::apply(x, condition, optional, body);
}

}  // namespace medaug::nn
