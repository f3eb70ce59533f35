// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "nn/adapter.h"
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
    const bool trained = std::any_of(weights.begin(), weights.end(),
                                     [](const Tensor& one) { return one.requires_grad(); });
    ctx->save_for_backward({trained ? x : Tensor(), weight});  // frozen weights need no input
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
    auto shape = grads[0].sizes().vec();
    shape.back() = saved[1].size(1);
    variable_list result{ctx->needs_input_grad(0) ? grad.mm(saved[1]).view(shape) : Tensor()};
    const auto grad_weight = saved[0].defined() ? grad.t().mm(saved[0].flatten(0, -2)) : Tensor();
    std::int64_t offset = 0;
    for (const auto rows : ctx->saved_data["rows"].toIntVector()) {
      result.push_back(grad_weight.defined() ? grad_weight.narrow(0, offset, rows) : Tensor());
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
  return add_adapters(LinearTogether::apply(x, at::TensorList(weights)), x, layers);
}

void gather_parameters(torch::nn::Module& module) { gather_parameters(module.parameters()); }

void gather_parameters(const std::vector<Tensor>& parameters) {
  const at::NoGradGuard no_grad;
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
