// SPDX-License-Identifier: MIT
#include "nn/ops.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "base/error.h"
#include "nn/fused.h"

namespace medaug::nn {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor value_of(const Maybe& x) { return x.value_or(Tensor()); }

std::atomic<bool> fused_enabled{true};

// Samples are spread over the threads: a sample's sums then have one writer and one order.
template <class F>
void for_samples(std::int64_t samples, F&& f) {
  at::parallel_for(0, samples, 1, std::forward<F>(f));
}

Tensor floats(at::IntArrayRef sizes) {
  return at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
}

// ---- RMS norm
// ------------------------------------------------------------------------------------------------------

template <class T>
cpu::RmsNormArgs<T> rms_args(const Tensor& x, const Tensor& multiplier, const Tensor& inverse_rms,
                             double eps) {
  cpu::RmsNormArgs<T> args;
  args.shape = {x.size(1), x.size(2), multiplier.size(0) == 1 ? 0 : x.size(2)};
  args.x = pointer<T>(x);
  args.multiplier = multiplier.const_data_ptr<float>();
  args.inverse_rms = inverse_rms.mutable_data_ptr<float>();
  args.eps = eps;
  return args;
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Maybe& residual_in,
                        const Tensor& multiplier_in, double eps, bool silu) {
    const auto x = x_in.contiguous();
    const auto multiplier = multiplier_in.contiguous();
    const auto residual = value_of(residual_in);
    const auto y = at::empty_like(x);
    const auto inverse = floats({x.size(0), x.size(1)});
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = rms_args<T>(x, multiplier, inverse, eps);
      args.residual = pointer<T>(residual);
      args.y = pointer<T>(y);
      args.silu = silu;
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().rms_norm_forward(args, b, e);
      });
    });
    ctx->save_for_backward({x, multiplier, inverse});
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["silu"] = silu;
    ctx->saved_data["residual"] = residual.defined();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &multiplier = saved[1];
    const auto grad_y = grads[0].contiguous();
    const auto grad_x = at::empty_like(x);
    auto grad_multiplier = floats({x.size(0), x.size(2)});
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = rms_args<T>(x, multiplier, saved[2], ctx->saved_data["eps"].toDouble());
      args.silu = ctx->saved_data["silu"].toBool();
      args.grad_y = pointer<T>(grad_y);
      args.grad_x = pointer<T>(grad_x);
      args.grad_multiplier = grad_multiplier.mutable_data_ptr<float>();
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().rms_norm_backward(args, b, e);
      });
    });
    if (multiplier.size(0) == 1 && x.size(0) > 1) {
      grad_multiplier = grad_multiplier.sum(0, true);
    }
    const bool residual = ctx->saved_data["residual"].toBool();
    return {grad_x, residual ? grads[0] : Tensor(), grad_multiplier, Tensor(), Tensor()};
  }
};

// ---- norm, rotation and head split
// ---------------------------------------------------------------------------------

template <class T>
cpu::NormRotateArgs<T> norm_rotate_args(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                        const Tensor& rotary, std::int64_t heads, double eps) {
  cpu::NormRotateArgs<T> args;
  args.tokens = x.size(1);
  args.heads = heads;
  args.head_dim = x.size(2) / heads;
  args.x = pointer<T>(x);
  args.weight = pointer<float>(weight);
  args.bias = pointer<float>(bias);
  args.rotary = pointer<float>(rotary);
  args.rotary_stride = rotary.defined() && rotary.dim() == 4 ? rotary.stride(0) : 0;
  args.eps = eps;
  return args;
}

struct NormRotateSplit : torch::autograd::Function<NormRotateSplit> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Maybe& weight_in,
                        const Maybe& bias_in, const Maybe& rotary_in, std::int64_t heads,
                        double eps) {
    const auto x = x_in.contiguous();
    const auto weight = value_of(weight_in), bias = value_of(bias_in), rotary = value_of(rotary_in);
    const auto out = at::empty({x.size(0), heads, x.size(1), x.size(2) / heads}, x.options());
    Tensor mean;
    Tensor inverse;
    if (weight.defined()) {
      mean = floats({x.size(0), x.size(1)});
      inverse = floats({x.size(0), x.size(1)});
    }
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = norm_rotate_args<T>(x, weight, bias, rotary, heads, eps);
      args.out = pointer<T>(out);
      args.mean = pointer<float>(mean);
      args.inverse_std = pointer<float>(inverse);
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().norm_rotate_forward(args, b, e);
      });
    });
    ctx->save_for_backward({x, weight, bias, rotary, mean, inverse});
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["eps"] = eps;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto grad_out = grads[0].contiguous();
    const auto grad_x = at::empty_like(x);
    Tensor grad_weight;
    Tensor grad_bias;
    if (weight.defined()) {
      grad_weight = floats({x.size(0), x.size(2)});
      grad_bias = floats({x.size(0), x.size(2)});
    }
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args =
          norm_rotate_args<T>(x, weight, saved[2], saved[3], ctx->saved_data["heads"].toInt(),
                              ctx->saved_data["eps"].toDouble());
      args.mean = pointer<float>(saved[4]);
      args.inverse_std = pointer<float>(saved[5]);
      args.grad_out = pointer<T>(grad_out);
      args.grad_x = pointer<T>(grad_x);
      args.grad_weight = pointer<float>(grad_weight);
      args.grad_bias = pointer<float>(grad_bias);
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().norm_rotate_backward(args, b, e);
      });
    });
    if (weight.defined()) {
      return {grad_x, grad_weight.sum(0), grad_bias.sum(0), Tensor(), Tensor(), Tensor()};
    }
    return {grad_x, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

// ---- SwiGLU
// --------------------------------------------------------------------------------------------------------

constexpr std::int64_t kElementGrain = 1 << 14;

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& a_in, const Tensor& b_in) {
    const auto a = a_in.contiguous();
    const auto b = b_in.contiguous();
    const auto out = at::empty_like(a);
    with_type(a, [&](auto type) {
      using T = decltype(type);
      at::parallel_for(0, a.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        cpu::kernels<T>().swiglu_forward(pointer<T>(a), pointer<T>(b), pointer<T>(out), begin, end);
      });
    });
    ctx->save_for_backward({a, b});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &a = saved[0], &b = saved[1];
    const auto grad = grads[0].contiguous();
    const auto grad_a = at::empty_like(a);
    const auto grad_b = at::empty_like(b);
    with_type(a, [&](auto type) {
      using T = decltype(type);
      at::parallel_for(0, a.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        cpu::kernels<T>().swiglu_backward(pointer<T>(a), pointer<T>(b), pointer<T>(grad),
                                          pointer<T>(grad_a), pointer<T>(grad_b), begin, end);
      });
    });
    return {grad_a, grad_b};
  }
};

}  // namespace

bool uses_fused(const Tensor& x) {
  return fused_enabled.load(std::memory_order_relaxed) && x.device().is_cpu() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

void set_fused(bool on) { fused_enabled.store(on, std::memory_order_relaxed); }

Tensor rms_norm(const Tensor& x, const Tensor& multiplier, double eps, Activation activation) {
  if (!uses_fused(x)) {
    return reference::rms_norm(x, multiplier, eps, activation);
  }
  return RmsNorm::apply(x, Maybe(), multiplier, eps, activation == Activation::kSilu);
}

Tensor add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& multiplier, double eps) {
  if (!uses_fused(x)) {
    return reference::add_rms_norm(x, y, multiplier, eps);
  }
  return RmsNorm::apply(y, maybe(x), multiplier, eps, false);
}

Tensor norm_rotate_split(const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const Tensor& rotary, std::int64_t heads, double eps) {
  if (!uses_fused(x)) {
    return reference::norm_rotate_split(x, weight, bias, rotary, heads, eps);
  }
  return NormRotateSplit::apply(x, maybe(weight), maybe(bias), maybe(rotary), heads, eps);
}

Tensor swiglu(const Tensor& a, const Tensor& b) {
  if (!uses_fused(a)) {
    return reference::swiglu(a, b);
  }
  return SwiGlu::apply(a, b);
}

}  // namespace medaug::nn
