// SPDX-License-Identifier: MIT
#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "nn/fused.h"
#include "nn/ops.h"

// Attention head by head where the CPU has products of bfloat16 pairs, elsewhere as batched
// multiplications with the softmax between them. The probabilities are kept for the backward pass:
// at up to 1024 tokens they are small, and the library's blockwise kernel is three times slower
// there.

namespace medaug::nn {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Tokens; beyond them the probabilities (or a few rows of them) no longer fit the caches.
constexpr std::int64_t kLargestFused = 1024, kLargestTiled = 4096;

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

/// AttentionInputs with as many key heads as query heads and masks of bytes.
struct Operands {
  Tensor q, k, v, caption_k, caption_v, gate, key_mask, caption_mask;
  double scale = 0.0;
  bool keep = false;  ///< a backward pass will follow
};

/// In the order of Operands; undefined for what is not there.
struct OperandGradients {
  Tensor q, k, v, caption_k, caption_v, gate;
};

/// `How` has forward(context, operands) and backward(context, gradient of the result).
template <class How>
struct AttentionFunction : torch::autograd::Function<AttentionFunction<How>> {
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Maybe& caption_k, const Maybe& caption_v, const Maybe& gate,
                        const Maybe& key_mask, const Maybe& caption_mask, double scale, bool keep) {
    const auto value = [](const Maybe& x) { return x.value_or(Tensor()); };
    return How::forward(*ctx, {q, k, v, value(caption_k), value(caption_v), value(gate),
                               value(key_mask), value(caption_mask), scale, keep});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto g = How::backward(*ctx, grads[0].contiguous());
    return {g.q, g.k, g.v, g.caption_k, g.caption_v, g.gate, {}, {}, {}, {}};
  }
};

double caption_scale(const Tensor& q) { return 1.0 / std::sqrt(static_cast<double>(q.size(-1))); }

struct Batched {
  static Tensor forward(AutogradContext& ctx, const Operands& in) {
    const auto q = flat(in.q), k = flat(in.k), v = flat(in.v);
    const auto p = probabilities(q, k, in.key_mask, in.scale);
    const auto self = at::bmm(p, v);
    Tensor yk, yv, py, caption;
    if (in.caption_k.defined()) {
      yk = flat(in.caption_k);
      yv = flat(in.caption_v);
      py = probabilities(q, yk, in.caption_mask, caption_scale(q));
      caption = at::bmm(py, yv);
    }
    const auto out =
        at::empty({in.q.size(0), in.q.size(2), in.q.size(1) * in.q.size(3)}, q.options());
    with_type(q, [&](auto type) {
      using T = decltype(type);
      auto args = join_args<T>(in.q, caption, in.gate);
      args.self = pointer<T>(self);
      args.out = pointer<T>(out);
      at::parallel_for(0, in.q.size(0), 1, [&](std::int64_t b, std::int64_t e) {
        cpu::kernels<T>().join_heads_forward(args, b, e);
      });
    });
    ctx.save_for_backward({q, k, v, p, yk, yv, py, caption, in.gate});
    ctx.saved_data["scale"] = in.scale;
    ctx.saved_data["shape"] = in.q.sizes().vec();
    return out;
  }

  static OperandGradients backward(AutogradContext& ctx, const Tensor& grad) {
    const auto s = ctx.get_saved_variables();
    const auto &q = s[0], &yk = s[4], &caption = s[7], &gate = s[8];
    const auto shape = ctx.saved_data["shape"].toIntVector();
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
        attention_backward(s[3], q, s[1], s[2], grad_self, ctx.saved_data["scale"].toDouble());
    Gradients cross;
    if (yk.defined()) {
      cross = attention_backward(s[6], q, yk, s[5], grad_caption, caption_scale(q));
      self.q.add_(cross.q);
    }
    const auto unflat = [&](const Tensor& x) {
      return x.defined() ? x.view({shape[0], shape[1], x.size(1), shape[3]}) : x;
    };
    return {unflat(self.q),  unflat(self.k),  unflat(self.v),
            unflat(cross.k), unflat(cross.v), yk.defined() ? grad_gate.sum(0) : Tensor()};
  }
};

// Where the CPU multiplies pairs of bfloat16: everything of a head in one pass, and probabilities
// in memory only when a backward pass will need them.
struct Tiled {
  static Tensor forward(AutogradContext& ctx, const Operands& in) {
    const auto batch = in.q.size(0), heads = in.q.size(1), tokens = in.q.size(2);
    const auto out = at::empty({batch, tokens, heads * in.q.size(3)}, in.q.options());
    const auto room = [&](std::int64_t keys) {
      return at::empty({batch, heads, tokens, whole_vectors(keys)}, in.q.options());
    };
    const bool captioned = in.caption_k.defined();
    const auto p = in.keep ? room(tokens) : Tensor();
    const auto caption_p = in.keep && captioned ? room(in.caption_k.size(2)) : Tensor();
    auto args = arguments(in, p, caption_p);
    args.key_mask = bytes(in.key_mask);
    args.caption_mask = bytes(in.caption_mask);
    args.out = pointer<cpu::Bf16>(out);
    at::parallel_for(0, batch * heads, 1, [&](std::int64_t begin, std::int64_t end) {
      cpu::attention_kernels()->forward(args, begin, end);
    });
    ctx.save_for_backward({in.q, in.k, in.v, in.caption_k, in.caption_v, in.gate, p, caption_p});
    ctx.saved_data["scale"] = in.scale;
    return out;
  }

  static OperandGradients backward(AutogradContext& ctx, const Tensor& grad) {
    const auto s = ctx.get_saved_variables();
    const Operands in{
        s[0], s[1], s[2], s[3], s[4], s[5], {}, {}, ctx.saved_data["scale"].toDouble(), true};
    const auto like = [](const Tensor& x) { return x.defined() ? at::empty_like(x) : x; };
    OperandGradients out{like(in.q),         like(in.k),         like(in.v),
                         like(in.caption_k), like(in.caption_v), Tensor()};
    const auto images = in.q.size(0), heads = in.q.size(1);
    if (in.caption_k.defined()) {
      out.gate = at::empty({images, heads}, at::TensorOptions().dtype(at::kFloat));
    }
    auto args = arguments(in, s[6], s[7]);
    args.grad_out = pointer<cpu::Bf16>(grad);
    args.grad_q = pointer<cpu::Bf16>(out.q);
    args.grad_k = pointer<cpu::Bf16>(out.k);
    args.grad_v = pointer<cpu::Bf16>(out.v);
    args.grad_caption_k = pointer<cpu::Bf16>(out.caption_k);
    args.grad_caption_v = pointer<cpu::Bf16>(out.caption_v);
    args.grad_gate = pointer<float>(out.gate);
    at::parallel_for(0, images * heads, 1, [&](std::int64_t begin, std::int64_t end) {
      cpu::attention_kernels()->backward(args, begin, end);
    });
    out.gate = out.gate.defined() ? out.gate.sum(0) : out.gate;
    return out;
  }

 private:
  static std::int64_t whole_vectors(std::int64_t n) { return (n + 15) / 16 * 16; }
  static const std::uint8_t* bytes(const Tensor& mask) {
    return mask.defined() ? static_cast<const std::uint8_t*>(mask.const_data_ptr()) : nullptr;
  }
  static cpu::AttentionArgs arguments(const Operands& in, const Tensor& p,
                                      const Tensor& caption_p) {
    cpu::AttentionArgs args;
    args.heads = in.q.size(1);
    args.tokens = in.q.size(2);
    args.head_dim = in.q.size(3);
    args.captions = in.caption_k.defined() ? in.caption_k.size(2) : 0;
    args.q = pointer<cpu::Bf16>(in.q);
    args.k = pointer<cpu::Bf16>(in.k);
    args.v = pointer<cpu::Bf16>(in.v);
    args.caption_k = pointer<cpu::Bf16>(in.caption_k);
    args.caption_v = pointer<cpu::Bf16>(in.caption_v);
    args.gate = pointer<float>(in.gate);
    args.scale = static_cast<float>(in.scale);
    args.caption_scale = static_cast<float>(caption_scale(in.q));
    args.p = pointer<cpu::Bf16>(p);
    args.caption_p = pointer<cpu::Bf16>(caption_p);
    return args;
  }
};

bool needs_gradient(const AttentionInputs& in) {
  const auto learns = [](const Tensor& x) { return x.defined() && x.requires_grad(); };
  return at::GradMode::is_enabled() &&
         (learns(in.q) || learns(in.k) || learns(in.v) || learns(in.caption_k) ||
          learns(in.caption_v) || learns(in.gate));
}

Tensor repeat_heads(const Tensor& x, std::int64_t heads) {
  return x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

Tensor mask_bytes(const Tensor& mask) {
  return mask.defined() ? mask.to(at::kBool).contiguous() : mask;
}

}  // namespace

Tensor attention(const AttentionInputs& in) {
  const bool keep = needs_gradient(in);
  const bool tiled = in.q.scalar_type() == at::kBFloat16 && in.q.size(3) % 16 == 0 &&
                     cpu::attention_kernels() != nullptr;
  if (!uses_fused(in.q) || in.q.size(2) > (tiled && !keep ? kLargestTiled : kLargestFused)) {
    return reference::attention(in);
  }
  const auto whole = [&](const Tensor& x) {
    return x.defined() ? repeat_heads(x, in.q.size(1)).contiguous() : x;
  };
  const auto apply = [&](auto how) {
    return AttentionFunction<decltype(how)>::apply(
        in.q.contiguous(), whole(in.k), whole(in.v), maybe(whole(in.caption_k)),
        maybe(whole(in.caption_v)), maybe(in.gate), maybe(mask_bytes(in.key_mask)),
        maybe(mask_bytes(in.caption_mask)), in.scale, keep);
  };
  return tiled ? apply(Tiled{}) : apply(Batched{});
}

}  // namespace medaug::nn
