// SPDX-License-Identifier: MIT
#pragma once

// What the fused operators share; not for use outside nn/.

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>

#include "nn/cpu/kernels.h"

namespace medaug::nn {

/// torch::autograd::Function::apply takes an absent tensor only as an optional.
using Maybe = std::optional<at::Tensor>;

inline Maybe maybe(const at::Tensor& x) {
  return x.defined() ? Maybe(x.contiguous()) : std::nullopt;
}

/// Calls f with a value of the element type: cpu::Bf16 or float.
template <class F>
void with_type(const at::Tensor& x, F&& f) {
  if (x.scalar_type() == at::kBFloat16) {
    std::forward<F>(f)(cpu::Bf16{});
  } else {
    std::forward<F>(f)(float{});
  }
}

/// The elements of x, or null when x is not there.
template <class T>
T* pointer(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.mutable_data_ptr()) : nullptr;
}

}  // namespace medaug::nn
