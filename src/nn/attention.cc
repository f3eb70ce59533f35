// SPDX-License-Identifier: MIT
#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "nn/fused.h"
#include "nn/ops.h"

// Attention as batched multiplications with the softmax between them in one pass. The probabilities
// are kept for the backward pass: at up to 1024 tokens they are small, and the library's blockwise
// kernel is three times slower there.

namespace medaug::nn {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kLargestFused =
    1024;  // tokens; beyond it the probabilities no longer fit the caches

Tensor flat(const Tensor& x) {
  return x.contiguous().view({-1, x.size(2), x.size(3)});
}  // (B H, N, d)

/// softmax(q k^T scale), in place of the scores. @param allowed (B, keys) bool, or undefined
Tensor probabilities(const Tensor& q, const Tensor& k, const Tensor& allowed, double scale) {
  auto scores = at::bmm(q, k.transpose(1, 2));  // (B H, N, keys)
  const auto rows = scores.size(1), width = scores.size(2);
  const auto heads = allowed.defined() ? scores.size(0) / allowed.size(0) : 1;
  const auto* mask =
      allowed.defined() ? static_cast<const std::uint8_t*>(allowed.const_data_ptr()) : nullptr;
  with_type(scores, [&](auto type) {
    using T = decltype(type);
    auto* data = pointer<T>(scores);
    at::parallel_for(0, scores.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        cpu::kernels<T>().softmax_forward(data + i * rows * width,
                                          mask != nullptr ? mask + i / heads * width : nullptr,
                                          static_cast<float>(scale), width, rows);
      }
    });
  });
  return scores;
}

struct Gradients {
  Tensor q, k, v;
};

/// Of one softmax(q k^T scale) v, given its probabilities.
Gradients attention_backward(const Tensor& p, const Tensor& q, const Tensor& k, const Tensor& v,
                             const Tensor& grad, double scale) {
  Gradients out;
  out.v = at::bmm(p.transpose(1, 2), grad);          // (B H, keys, d)
  const auto ds = at::bmm(grad, v.transpose(1, 2));  // (B H, N, keys)
  const auto rows = ds.size(1), width = ds.size(2);
  with_type(ds, [&](auto type) {
    using T = decltype(type);
    at::parallel_for(0, ds.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      const auto offset = begin * rows * width;
      cpu::kernels<T>().softmax_backward(pointer<T>(p) + offset, pointer<T>(ds) + offset,
                                         static_cast<float>(scale), width, rows * (end - begin));
    });
  });
  out.q = at::bmm(ds, k);                  // (B H, N, d)
  out.k = at::bmm(ds.transpose(1, 2), q);  // (B H, keys, d)
  return out;
}

template <class T>
cpu::JoinHeadsArgs<T> join_args(const Tensor& q, const Tensor& caption, const Tensor& gate) {
  cpu::JoinHeadsArgs<T> args;
  args.heads = q.size(1);
  args.tokens = q.size(2);
  args.head_dim = q.size(3);
  args.caption = pointer<T>(caption);
  args.gate = pointer<float>(gate);
  return args;
}

struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static Tensor forward(AutogradContext* ctx, const Tensor& q_in, const Tensor& k_in,
                        const Tensor& v_in, const Maybe& yk_in, const Maybe& yv_in,
                        const Maybe& gate_in, const Maybe& key_mask, const Maybe& caption_mask,
                        double scale) {
    const auto q = flat(q_in), k = flat(k_in), v = flat(v_in);
    const auto gate = gate_in.value_or(Tensor());
    const auto p = probabilities(q, k, key_mask.value_or(Tensor()), scale);
    const auto self = at::bmm(p, v);
    Tensor yk, yv, py, caption;
    if (yk_in.has_value()) {
      yk = flat(*yk_in);
      yv = flat(*yv_in);
      py = probabilities(q, yk, caption_mask.value_or(Tensor()),
                         1.0 / std::sqrt(static_cast<double>(q.size(2))));
      caption = at::bmm(py, yv);
    }
    const auto out =
        at::empty({q_in.size(0), q_in.size(2), q_in.size(1) * q_in.size(3)}, q.options());
    with_type(q, [&](auto type) {
      using T = decltype(type);
      auto args = join_args<T>(q_in, caption, gate);
      args.self = pointer<T>(self);
      args.out = pointer<T>(out);
      at::parallel_for(0, q_in.size(0), 1, [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().join_heads_forward(args, b, e);
      });
    });
    ctx->save_for_backward({q, k, v, p, yk, yv, py, caption, gate});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["shape"] = q_in.sizes().vec();
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto s = ctx->get_saved_variables();
    const auto &q = s[0], &yk = s[4], &caption = s[7], &gate = s[8];
    const auto shape = ctx->saved_data["shape"].toIntVector();
    const auto grad = grads[0].contiguous();
    const auto grad_self = at::empty_like(q);
    Tensor grad_caption, grad_gate;
    if (yk.defined()) {
      grad_caption = at::empty_like(caption);
      grad_gate = at::empty({shape[0], shape[1]}, at::TensorOptions().dtype(at::kFloat));
    }
    with_type(q, [&](auto type) {
      using T = decltype(type);
      auto args = join_args<T>(q.view(shape), caption, gate);
      args.grad_out = pointer<T>(grad);
      args.grad_self = pointer<T>(grad_self);
      args.grad_caption = pointer<T>(grad_caption);
      args.grad_gate = pointer<float>(grad_gate);
      at::parallel_for(0, shape[0], 1, [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().join_heads_backward(args, b, e);
      });
    });
    auto self =
        attention_backward(s[3], q, s[1], s[2], grad_self, ctx->saved_data["scale"].toDouble());
    Gradients cross;
    if (yk.defined()) {
      cross = attention_backward(s[6], q, yk, s[5], grad_caption,
                                 1.0 / std::sqrt(static_cast<double>(q.size(2))));
      self.q.add_(cross.q);
    }
    const auto unflat = [&](const Tensor& x) {
      return x.defined() ? x.view({shape[0], shape[1], x.size(1), shape[3]}) : x;
    };
    return {unflat(self.q),  unflat(self.k),  unflat(self.v),
            unflat(cross.k), unflat(cross.v), yk.defined() ? grad_gate.sum(0) : Tensor(),
            Tensor(),        Tensor(),        Tensor()};
  }
};

Tensor repeat_heads(const Tensor& x, std::int64_t heads) {
  return !x.defined() || x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

Tensor mask_bytes(const Tensor& mask) {
  return mask.defined() ? mask.to(at::kBool).contiguous() : mask;
}

}  // namespace

Tensor attention(const AttentionInputs& in) {
  if (!uses_fused(in.q) || in.q.size(2) > kLargestFused) {
    return reference::attention(in);
  }
  const auto heads = in.q.size(1);
  return FusedAttention::apply(
      in.q, repeat_heads(in.k, heads), repeat_heads(in.v, heads),
      maybe(repeat_heads(in.caption_k, heads)), maybe(repeat_heads(in.caption_v, heads)),
      maybe(in.gate), maybe(mask_bytes(in.key_mask)), maybe(mask_bytes(in.caption_mask)), in.scale);
}

}  // namespace medaug::nn
