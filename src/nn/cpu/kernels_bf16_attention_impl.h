// SPDX-License-Identifier: MIT
// Attention of one sample and head from products of bfloat16 pairs: scores, softmax, values and the
// caption's part in one pass over a few rows at a time, so that they stay in the cache. Part of
// kernels_avx512bf16.cc alone.

#pragma once

#include "nn/cpu/kernels_attention_impl.h"
#include "nn/cpu/kernels_bf16_product_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

constexpr std::int64_t kRows = 24;  // of queries at a time: their scores fit the first cache

constexpr std::int64_t round64(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Memory for one head, cut from one block.
class Workspace {
 public:
  explicit Workspace(std::int64_t bytes)
      : data_(static_cast<char*>(std::aligned_alloc(64, static_cast<std::size_t>(bytes)))) {}
  ~Workspace() { std::free(data_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  void restart() { used_ = 0; }
  template <class T>
  T* take(std::int64_t count) {
    auto* const place = reinterpret_cast<T*>(data_ + used_);
    used_ += round64(count * static_cast<std::int64_t>(sizeof(T)));
    return place;
  }

 private:
  char* data_;
  std::int64_t used_ = 0;
};

/// What the queries of one head look at: the tokens of their image, or its caption.
struct Context {
  const Bf16* k;  ///< (keys, d)
  const Bf16* v;
  const std::uint8_t* allowed;  ///< (keys), or null
  Bf16* p;                      ///< (N, padded keys): probabilities
  std::int64_t keys;
  float scale;
};

/// Bytes that a context of this many keys takes, forward or backward.
std::int64_t context_bytes(std::int64_t keys, std::int64_t tokens, std::int64_t d, bool backward) {
  const std::int64_t wide = padded(keys);
  const std::int64_t packed = 2 * round64(wide * d * 2) + round64(wide * 4) +
                              round64(kRows * wide * 4) + round64(kRows * wide * 2) + 256;
  return packed + (backward ? 2 * round64((tokens + 1) * wide * 2) + round64(wide * d * 4) : 0);
}

const float* bias_of(const Context& c, Workspace& space) {
  auto* const bias = c.allowed != nullptr ? space.take<float>(padded(c.keys)) : nullptr;
  fill_bias(c.allowed, c.keys, bias);
  return bias;
}

/// Scores (rows, padded keys) to probabilities; the scores are overwritten.
MEDAUG_INLINE void probabilities(float* scores, const float* bias, const Context& c,
                                 std::int64_t rows, Bf16* p) {
  const std::int64_t wide = padded(c.keys);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* const row = scores + r * wide;
    const float inverse = softmax_weights(row, bias, c.scale, c.keys, row);
    for (std::int64_t i = 0; i < wide; i += kLanes) {
      store(p + r * wide + i, load(row + i, Whole{}) * inverse, Whole{});
    }
  }
}

/// A context with its keys and values packed for the forward pass.
struct Reading {
  Context context;
  Right keys, values;
  const float* bias;
  float* scores;
  Bf16* p;  ///< of the present rows, when the context keeps none

  Reading(const Context& c, std::int64_t d, Workspace& space)
      : context(c),
        keys(pack_columns(c.k, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        values(pack_rows(c.v, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        bias(bias_of(c, space)),
        scores(space.take<float>(kRows * padded(c.keys))),
        p(space.take<Bf16>(kRows * padded(c.keys))) {}

  /// out (rows, d) for the queries q (rows, d).
  MEDAUG_INLINE void attend(const Bf16* q, std::int64_t d, std::int64_t first, std::int64_t rows,
                            float* out) const {
    const std::int64_t wide = keys.columns;
    product({reinterpret_cast<const Pair*>(q + first * d), d / 2, 1}, keys, rows, scores);
    Bf16* const kept = context.p != nullptr ? context.p + first * wide : p;
    probabilities(scores, bias, context, rows, kept);
    product({reinterpret_cast<const Pair*>(kept), wide / 2, 1}, values, rows, out);
  }
};

inline Context self_context(const AttentionArgs& a, std::int64_t pair) {
  const std::int64_t at = pair * a.tokens * a.head_dim;
  const auto* const allowed =
      a.key_mask == nullptr ? nullptr : a.key_mask + pair / a.heads * a.tokens;
  Bf16* const p = a.p == nullptr ? nullptr : a.p + pair * a.tokens * padded(a.tokens);
  return {a.k + at, a.v + at, allowed, p, a.tokens, a.scale};
}

inline Context caption_context(const AttentionArgs& a, std::int64_t pair) {
  const std::int64_t at = pair * a.captions * a.head_dim;
  const auto* const allowed =
      a.caption_mask == nullptr ? nullptr : a.caption_mask + pair / a.heads * a.captions;
  Bf16* const p =
      a.caption_p == nullptr ? nullptr : a.caption_p + pair * a.tokens * padded(a.captions);
  return {a.caption_k + at, a.caption_v + at, allowed, p, a.captions, a.caption_scale};
}

void attention_forward(const AttentionArgs& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t d = a.head_dim;
  Workspace space(context_bytes(a.tokens, a.tokens, d, false) +
                  context_bytes(a.captions, a.tokens, d, false) + 2 * round64(kRows * d * 4));
  for (std::int64_t pair = begin; pair < end; ++pair) {
    space.restart();
    const Bf16* const q = a.q + pair * a.tokens * d;
    const std::int64_t head = pair % a.heads;
    float* const self_out = space.take<float>(kRows * d);
    float* const caption_out = space.take<float>(kRows * d);
    const Reading self(self_context(a, pair), d, space);
    const bool captioned = a.caption_k != nullptr;
    const Reading caption(captioned ? caption_context(a, pair) : Context{}, captioned ? d : 0,
                          space);
    const float gate = captioned ? a.gate[head] : 0.0F;
    for (std::int64_t first = 0; first < a.tokens; first += kRows) {
      const std::int64_t rows = a.tokens - first < kRows ? a.tokens - first : kRows;
      self.attend(q, d, first, rows, self_out);
      if (captioned) {
        caption.attend(q, d, first, rows, caption_out);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        Bf16* const out = a.out + ((pair / a.heads * a.tokens + first + r) * a.heads + head) * d;
        for (std::int64_t i = 0; i < d; i += kLanes) {
          Lanes y = load(self_out + r * d + i, Whole{});
          y = captioned ? y + gate * load(caption_out + r * d + i, Whole{}) : y;
          store(out + i, y, Whole{});
        }
      }
    }
  }
}

/// A context with what its backward pass needs packed.
struct Learning {
  Context context;
  float factor;        ///< of its output: 1, or the caption's gate
  Right values, keys;  ///< (d / 2, padded keys) and (half of the keys, d)
  float* dp;           ///< (rows, padded keys)
  Bf16* ds;            ///< (N, padded keys)
  Pair* pairs;         ///< (half of N, padded keys): those of ds, then those of p
  float* sums;         ///< (padded keys, d)

  Learning(const Context& c, float f, std::int64_t tokens, std::int64_t d, Workspace& space)
      : context(c),
        factor(f),
        values(pack_columns(c.v, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        keys(pack_rows(c.k, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        dp(space.take<float>(kRows * padded(c.keys))),
        ds(space.take<Bf16>((tokens + 1) * padded(c.keys))),
        pairs(space.take<Pair>((tokens + 1) / 2 * padded(c.keys))),
        sums(space.take<float>(padded(c.keys) * d)) {}

  /// ds of these rows and its product with the keys, (rows, d).
  /// @return sum of p dp, from which the gate learns
  MEDAUG_INLINE float rows(const Bf16* grad, std::int64_t grad_row, std::int64_t first,
                           std::int64_t count, float* dq) const {
    const std::int64_t wide = values.columns;
    product({reinterpret_cast<const Pair*>(grad + first * grad_row), grad_row / 2, 1}, values,
            count, dp);
    float all = 0.0F;
    for (std::int64_t r = 0; r < count; ++r) {
      const Bf16* const p = context.p + (first + r) * wide;
      Lanes dots = {};
      for (std::int64_t i = 0; i < wide; i += kLanes) {
        dots += load(p + i, Whole{}) * load(dp + r * wide + i, Whole{});
      }
      const float dot = sum(dots);
      all += dot;
      for (std::int64_t i = 0; i < wide; i += kLanes) {
        const Lanes x = load(p + i, Whole{}) * (load(dp + r * wide + i, Whole{}) - dot);
        store(ds + (first + r) * wide + i, x * (context.scale * factor), Whole{});
      }
    }
    product({reinterpret_cast<const Pair*>(ds + first * wide), wide / 2, 1}, keys, count, dq);
    return all;
  }

  /// Gradients of keys and values, once all rows are done.
  MEDAUG_INLINE void finish(Right q, Right grad, std::int64_t tokens, std::int64_t d, Bf16* grad_k,
                            Bf16* grad_v) const {
    const std::int64_t wide = values.columns;
    pack_rows(ds, wide, tokens, wide, pairs);
    product({pairs, 1, wide}, q, context.keys, sums);
    write(sums, 1.0F, d, grad_k);
    pack_rows(context.p, wide, tokens, wide, pairs);
    product({pairs, 1, wide}, grad, context.keys, sums);
    write(sums, factor, d, grad_v);
  }

  MEDAUG_INLINE void write(const float* from, float by, std::int64_t d, Bf16* to) const {
    for (std::int64_t i = 0; i < context.keys * d; i += kLanes) {
      store(to + i, load(from + i, Whole{}) * by, Whole{});
    }
  }
};

void attention_backward(const AttentionArgs& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t d = a.head_dim;
  const std::int64_t half = (a.tokens + 1) / 2;
  Workspace space(context_bytes(a.tokens, a.tokens, d, true) +
                  context_bytes(a.captions, a.tokens, d, true) + 2 * round64(kRows * d * 4) +
                  2 * round64(half * d * 4));
  for (std::int64_t pair = begin; pair < end; ++pair) {
    space.restart();
    const std::int64_t head = pair % a.heads;
    const std::int64_t row = a.heads * d;
    const Bf16* const grad = a.grad_out + pair / a.heads * a.tokens * row + head * d;
    const Bf16* const q = a.q + pair * a.tokens * d;
    float* const dq = space.take<float>(kRows * d);
    float* const caption_dq = space.take<float>(kRows * d);
    const Right q_pairs = pack_rows(q, d, a.tokens, d, space.take<Pair>(half * d));
    const Right grad_pairs = pack_rows(grad, row, a.tokens, d, space.take<Pair>(half * d));
    const Learning self(self_context(a, pair), 1.0F, a.tokens, d, space);
    const bool captioned = a.caption_k != nullptr;
    const Learning caption(captioned ? caption_context(a, pair) : Context{},
                           captioned ? a.gate[head] : 0.0F, captioned ? a.tokens : 0,
                           captioned ? d : 0, space);
    float gate_sum = 0.0F;
    for (std::int64_t first = 0; first < a.tokens; first += kRows) {
      const std::int64_t rows = a.tokens - first < kRows ? a.tokens - first : kRows;
      self.rows(grad, row, first, rows, dq);
      if (captioned) {
        gate_sum += caption.rows(grad, row, first, rows, caption_dq);
      }
      Bf16* const out = a.grad_q + (pair * a.tokens + first) * d;
      for (std::int64_t i = 0; i < rows * d; i += kLanes) {
        const Lanes y = load(dq + i, Whole{});
        store(out + i, captioned ? y + load(caption_dq + i, Whole{}) : y, Whole{});
      }
    }
    const std::int64_t at = pair * a.tokens * d;
    self.finish(q_pairs, grad_pairs, a.tokens, d, a.grad_k + at, a.grad_v + at);
    if (captioned) {
      const std::int64_t there = pair * a.captions * d;
      caption.finish(q_pairs, grad_pairs, a.tokens, d, a.grad_caption_k + there,
                     a.grad_caption_v + there);
      a.grad_gate[pair] = gate_sum;
    }
  }
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
