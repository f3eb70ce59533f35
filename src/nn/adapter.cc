// SPDX-License-Identifier: MIT
#include "nn/adapter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/block_diag.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace medaug::nn {

Tensor add_adapters(const Tensor& y, const Tensor& x, std::initializer_list<const Linear*> layers) {
  const auto has_one = [](const Linear* layer) { return layer->adapter.a.defined(); };
  if (std::none_of(layers.begin(), layers.end(), has_one)) {
    return y;
  }
  std::vector<Tensor> down, up;
  double scale = 0.0;
  for (const auto* layer : layers) {
    const auto& adapter = layer->adapter;
    if (!has_one(layer)) {
      up.push_back(at::zeros({layer->weight.size(0), 0}, layer->weight.options()));
      continue;
    }
    MEDAUG_ASSERT(down.empty() || scale == adapter.scale);
    scale = adapter.scale;
    down.push_back(adapter.kept.defined() ? adapter.a * adapter.kept : adapter.a);
    up.push_back(adapter.b);
  }
  const auto a = down.size() == 1 ? down[0] : at::cat(down);   // (R, in)
  const auto b = up.size() == 1 ? up[0] : at::block_diag(up);  // (sum of out, R)
  const auto low = at::linear(x, a).flatten(0, -2);            // (tokens, R)
  const auto sum = at::addmm(y.flatten(0, -2), low, b.t(), 1.0, scale);
  return sum.view(y.sizes());  // (..., sum of out)
}

}  // namespace medaug::nn
