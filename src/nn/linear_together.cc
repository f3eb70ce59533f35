// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "nn/layers.h"

namespace medaug::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// (sum of out, in): a view where the weights already lie so, else a copy.
Tensor joined(at::TensorList weights) {
  const auto& first = weights.front();
  std::int64_t rows = 0;
  const auto* next = static_cast<const char*>(first.const_data_ptr());
  bool adjacent = true;
  for (const auto& weight : weights) {
    adjacent = adjacent && weight.is_contiguous() && weight.const_data_ptr() == next &&
               weight.is_alias_of(first);
    next += weight.nbytes();
    rows += weight.size(0);
  }
  return adjacent ? first.as_strided({rows, first.size(1)}, {first.size(1), 1}) : at::cat(weights);
}

struct LinearTogether : torch::autograd::Function<LinearTogether> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, at::TensorList weights) {
    const auto weight = joined(weights);
    ctx->save_for_backward({x, weight});
    std::vector<std::int64_t> rows;
    for (const auto& one : weights) {
      rows.push_back(one.size(0));
    }
    ctx->saved_data["rows"] = rows;
    return at::linear(x, weight);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto grad = grads[0].flatten(0, -2);  // (tokens, sum of out)
    variable_list result{grad.mm(saved[1]).view(saved[0].sizes())};
    const auto grad_weight = grad.t().mm(saved[0].flatten(0, -2));
    std::int64_t offset = 0;
    for (const auto rows : ctx->saved_data["rows"].toIntVector()) {
      result.push_back(grad_weight.narrow(0, offset, rows));
      offset += rows;
    }
    return result;
  }
};

}  // namespace

Tensor linear_together(const Tensor& x, std::initializer_list<const Linear*> layers) {
  std::vector<Tensor> weights;
  for (const auto* layer : layers) {
    weights.push_back(layer->weight);
  }
  return LinearTogether::apply(x, at::TensorList(weights));
}

void gather_parameters(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  const auto parameters = module.parameters();
  std::int64_t total = 0;
  for (const auto& parameter : parameters) {
    total += parameter.numel();
  }
  const auto block = at::empty({total}, parameters.front().options().requires_grad(false));
  std::int64_t offset = 0;
  for (auto parameter : parameters) {
    const auto place = block.narrow(0, offset, parameter.numel()).view(parameter.sizes());
    place.copy_(parameter);
    parameter.set_data(place);
    offset += parameter.numel();
  }
}

}  // namespace medaug::nn
