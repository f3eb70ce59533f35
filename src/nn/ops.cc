// SPDX-License-Identifier: MIT
#include "nn/ops.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/ivalue.h>
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

// Outputs: the norm and, with `keep`, x itself.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x_in, const Maybe& residual_in,
                               const Tensor& multiplier_in, double eps, bool silu, bool keep) {
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
    ctx->set_materialize_grads(false);
    return keep ? variable_list{y, x_in} : variable_list{y};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &multiplier = saved[1];
    const auto kept = grads.size() > 1 && grads[1].defined() ? grads[1].contiguous() : Tensor();
    if (!grads[0].defined()) {
      return {kept, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    }
    const auto grad_y = grads[0].contiguous();
    const auto grad_x = at::empty_like(x);
    auto grad_multiplier = floats({x.size(0), x.size(2)});
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = rms_args<T>(x, multiplier, saved[2], ctx->saved_data["eps"].toDouble());
      args.silu = ctx->saved_data["silu"].toBool();
      args.grad_y = pointer<T>(grad_y);
      args.grad_residual = pointer<T>(kept);
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
    return {grad_x, residual ? grads[0] : Tensor(), grad_multiplier, Tensor(), Tensor(), Tensor()};
  }
};

// ---- heads
// -----------------------------------------------------------------------------------------------------------

struct HeadLayout {
  std::int64_t heads = 0;
  bool norm = false, rotate = false;
};

struct SplitSpec {
  std::vector<HeadLayout> parts;
  std::int64_t head_dim = 0;
  double eps = 0.0;
};

// saved_data holds only IValues.
struct SplitSpecHolder : torch::CustomClassHolder {
  explicit SplitSpecHolder(SplitSpec s) : spec(std::move(s)) {}
  SplitSpec spec;
};

/// Of the part that begins at column `offset` of x (B, N, W).
template <class T>
cpu::NormRotateArgs<T> part_args(const Tensor& x, std::int64_t offset, const SplitSpec& spec,
                                 const HeadLayout& part, const Tensor& rotary) {
  cpu::NormRotateArgs<T> args;
  args.tokens = x.size(1);
  args.heads = part.heads;
  args.head_dim = spec.head_dim;
  args.row_stride = x.size(2);
  args.x = pointer<T>(x) + offset;
  if (part.rotate) {
    args.rotary = pointer<float>(rotary);
    args.rotary_stride = rotary.dim() == 4 ? rotary.stride(0) : 0;
  }
  args.eps = spec.eps;
  return args;
}

// `weights` holds weight and bias of each part with a norm. Saved: x, rotary, then for each part
// with a norm its weight, bias, means and inverse deviations.
struct SplitHeads : torch::autograd::Function<SplitHeads> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x_in, at::TensorList weights,
                               const Maybe& rotary_in, const SplitSpec& spec) {
    const auto x = x_in.contiguous();
    const auto rotary = value_of(rotary_in);
    variable_list out, saved{x, rotary};
    std::size_t next = 0;
    std::int64_t offset = 0;
    for (const auto& part : spec.parts) {
      out.push_back(at::empty({x.size(0), part.heads, x.size(1), spec.head_dim}, x.options()));
      Tensor weight, bias, mean, inverse;
      if (part.norm) {
        weight = weights[next++].contiguous();
        bias = weights[next++].contiguous();
        mean = floats({x.size(0), x.size(1)});
        inverse = floats({x.size(0), x.size(1)});
        saved.insert(saved.end(), {weight, bias, mean, inverse});
      }
      with_type(x, [&](auto type) {
        using T = decltype(type);
        auto args = part_args<T>(x, offset, spec, part, rotary);
        args.weight = pointer<float>(weight);
        args.bias = pointer<float>(bias);
        args.mean = pointer<float>(mean);
        args.inverse_std = pointer<float>(inverse);
        args.out = pointer<T>(out.back());
        for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
          cpu::kernels<T>().norm_rotate_forward(args, b, e);
        });
      });
      offset += part.heads * spec.head_dim;
    }
    ctx->save_for_backward(saved);
    ctx->saved_data["spec"] = c10::IValue::make_capsule(c10::make_intrusive<SplitSpecHolder>(spec));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto holder =
        c10::static_intrusive_pointer_cast<SplitSpecHolder>(ctx->saved_data["spec"].toCapsule());
    const auto& spec = holder->spec;
    const auto& x = saved[0];
    const auto grad_x = at::empty_like(x);
    variable_list result{grad_x};
    std::size_t next = 2;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < spec.parts.size(); ++i) {
      const auto& part = spec.parts[i];
      const auto grad_out = grads[i].contiguous();
      Tensor grad_weight, grad_bias;
      if (part.norm) {
        grad_weight = floats({x.size(0), part.heads * spec.head_dim});
        grad_bias = at::empty_like(grad_weight);
      }
      with_type(x, [&](auto type) {
        using T = decltype(type);
        auto args = part_args<T>(x, offset, spec, part, saved[1]);
        if (part.norm) {
          args.weight = pointer<float>(saved[next]);
          args.mean = pointer<float>(saved[next + 2]);
          args.inverse_std = pointer<float>(saved[next + 3]);
        }
        args.grad_out = pointer<T>(grad_out);
        args.grad_x = pointer<T>(grad_x) + offset;
        args.grad_weight = pointer<float>(grad_weight);
        args.grad_bias = pointer<float>(grad_bias);
        for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
          cpu::kernels<T>().norm_rotate_backward(args, b, e);
        });
      });
      if (part.norm) {
        result.push_back(grad_weight.sum(0));
        result.push_back(grad_bias.sum(0));
        next += 4;
      }
      offset += part.heads * spec.head_dim;
    }
    result.resize(result.size() + 2);  // rotary and spec
    return result;
  }
};

// ---- SwiGLU
// --------------------------------------------------------------------------------------------------------

constexpr std::int64_t kRowGrain = 64;

template <class T>
cpu::SwiGluArgs<T> swiglu_args(const Tensor& ab) {
  cpu::SwiGluArgs<T> args;
  args.width = ab.size(-1) / 2;
  args.ab = pointer<T>(ab);
  return args;
}

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& ab_in) {
    const auto ab = ab_in.contiguous();
    auto shape = ab.sizes().vec();
    shape.back() /= 2;
    const auto out = at::empty(shape, ab.options());
    with_type(ab, [&](auto type) {
      using T = decltype(type);
      auto args = swiglu_args<T>(ab);
      args.out = pointer<T>(out);
      at::parallel_for(0, ab.numel() / ab.size(-1), kRowGrain, [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().swiglu_forward(args, b, e);
      });
    });
    ctx->save_for_backward({ab});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto ab = ctx->get_saved_variables()[0];
    const auto grad = grads[0].contiguous();
    const auto grad_ab = at::empty_like(ab);
    with_type(ab, [&](auto type) {
      using T = decltype(type);
      auto args = swiglu_args<T>(ab);
      args.grad_out = pointer<T>(grad);
      args.grad_ab = pointer<T>(grad_ab);
      at::parallel_for(0, ab.numel() / ab.size(-1), kRowGrain, [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().swiglu_backward(args, b, e);
      });
    });
    return {grad_ab};
  }
};

// ---- instance norm

template <class T>
cpu::InstanceNormArgs<T> instance_norm_args(const variable_list& saved, double eps, double slope) {
  const auto& x = saved[0];
  cpu::InstanceNormArgs<T> args;
  args.places = x.size(2) * x.size(3);
  args.channels = x.size(1);
  args.x = pointer<T>(x);
  args.weight = saved[1].const_data_ptr<float>();
  args.bias = saved[2].const_data_ptr<float>();
  args.mean = saved[3].mutable_data_ptr<float>();
  args.inverse_std = saved[4].mutable_data_ptr<float>();
  args.eps = static_cast<float>(eps);
  args.slope = static_cast<float>(slope);
  return args;
}

struct LeakyInstanceNorm : torch::autograd::Function<LeakyInstanceNorm> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Tensor& weight,
                        const Tensor& bias, double eps, double slope) {
    const auto x = x_in.contiguous(at::MemoryFormat::ChannelsLast);
    const variable_list saved{x, weight.contiguous(), bias.contiguous(),
                              floats({x.size(0), x.size(1)}), floats({x.size(0), x.size(1)})};
    const auto y = at::empty_like(x);
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = instance_norm_args<T>(saved, eps, slope);
      args.y = pointer<T>(y);
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().instance_norm_forward(args, b, e);
      });
    });
    ctx->save_for_backward(saved);
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["slope"] = slope;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto& x = saved[0];
    const auto grad_y = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    const auto grad_x = at::empty_like(x);
    const auto grad_weight = floats({x.size(0), x.size(1)});
    const auto grad_bias = floats({x.size(0), x.size(1)});
    with_type(x, [&](auto type) {
      using T = decltype(type);
      auto args = instance_norm_args<T>(saved, ctx->saved_data["eps"].toDouble(),
                                        ctx->saved_data["slope"].toDouble());
      args.grad_y = pointer<T>(grad_y);
      args.grad_x = pointer<T>(grad_x);
      args.grad_weight = grad_weight.mutable_data_ptr<float>();
      args.grad_bias = grad_bias.mutable_data_ptr<float>();
      for_samples(x.size(0), [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().instance_norm_backward(args, b, e);
      });
    });
    return {grad_x, grad_weight.sum(0), grad_bias.sum(0), Tensor(), Tensor()};
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
  return RmsNorm::apply(x, Maybe(), multiplier, eps, activation == Activation::kSilu, false)[0];
}

NormAndInput rms_norm_and_input(const Tensor& x, const Tensor& multiplier, double eps) {
  if (!uses_fused(x)) {
    return {reference::rms_norm(x, multiplier, eps, Activation::kNone), x};
  }
  const auto both = RmsNorm::apply(x, Maybe(), multiplier, eps, false, true);
  return {both[0], both[1]};
}

Tensor add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& multiplier, double eps) {
  if (!uses_fused(x)) {
    return reference::add_rms_norm(x, y, multiplier, eps);
  }
  return RmsNorm::apply(y, maybe(x), multiplier, eps, false, false)[0];
}

std::vector<Tensor> split_heads(const Tensor& x, const std::vector<HeadGroup>& groups,
                                const Tensor& rotary, double eps) {
  if (!uses_fused(x)) {
    return reference::split_heads(x, groups, rotary, eps);
  }
  SplitSpec spec;
  std::vector<Tensor> weights;
  std::int64_t heads = 0;
  for (const auto& group : groups) {
    spec.parts.push_back({group.heads, group.weight.defined(), group.rotate && rotary.defined()});
    if (group.weight.defined()) {
      weights.push_back(group.weight);
      weights.push_back(group.bias);
    }
    heads += group.heads;
  }
  spec.head_dim = x.size(2) / heads;
  spec.eps = eps;
  return SplitHeads::apply(x, at::TensorList(weights), maybe(rotary), spec);
}

Tensor swiglu(const Tensor& ab) {
  if (!uses_fused(ab)) {
    return reference::swiglu(ab);
  }
  return SwiGlu::apply(ab);
}

Tensor leaky_instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           double slope) {
  if (!uses_fused(x)) {
    return reference::leaky_instance_norm(x, weight, bias, eps, slope);
  }
  return LeakyInstanceNorm::apply(x, weight.to(at::kFloat), bias.to(at::kFloat), eps, slope);
}

}  // namespace medaug::nn
