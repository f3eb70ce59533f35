// SPDX-License-Identifier: MIT
// Attention of one sample and head from products of bfloat16 pairs: scores, softmax, values and the
// caption's part in one pass over a few rows at a time, so that they stay in the cache. Part of
// kernels_avx512bf16.cc alone.

#pragma once

#include <type_traits>

#include "nn/cpu/kernels_attention_impl.h"
#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

constexpr std::int64_t kRows = 24;  // of queries at a time: their scores fit the first cache

using Pair = std::uint32_t;  // two neighbouring bfloat16 of the summed dimension

constexpr std::int64_t padded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// The memory holds bfloat16: only memcpy may read it as pairs.
MEDAUG_INLINE Pair load_pair(const Pair* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof(pair));
  return pair;
}
MEDAUG_INLINE UintLanes load_pairs(const Pair* from) {
  UintLanes v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

/// R x 16 V sums over `pairs` pairs: out[r][j] = sum_k a[r][k] b[k][j], a pair of a at
/// a[r * a_row + k * a_step], those of b for 16 V columns at b[k * b_step].
template <int R, int V>
MEDAUG_INLINE void tile(const Pair* a, std::int64_t a_row, std::int64_t a_step, const Pair* b,
                        std::int64_t b_step, std::int64_t pairs, float* out, std::int64_t out_row) {
  __m512 sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      sums[r][v] = _mm512_setzero_ps();
    }
  }
  for (std::int64_t k = 0; k < pairs; ++k) {
    UintLanes columns[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      columns[v] = load_pairs(b + k * b_step + v * kLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const UintLanes row = load_pair(a + r * a_row + k * a_step) - UintLanes{};
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], std::bit_cast<__m512bh>(row),
                                      std::bit_cast<__m512bh>(columns[v]));
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      store(out + r * out_row + v * kLanes, std::bit_cast<Lanes>(sums[r][v]), Whole{});
    }
  }
}

/// The left factor: a pair stands at data[row * row_step + k * pair_step].
struct Left {
  const Pair* data;
  std::int64_t row_step, pair_step;
  Left from(std::int64_t row) const { return {data + row * row_step, row_step, pair_step}; }
};

/// The right factor, packed: (pairs, columns), columns a multiple of 16.
struct Right {
  const Pair* data;
  std::int64_t columns, pairs;
};

template <int V>
MEDAUG_INLINE void panel(Left a, Right b, std::int64_t column, std::int64_t rows, float* out) {
  std::int64_t r = 0;
  const Pair* const from = b.data + column;
  const auto step = [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    for (; r + kCount <= rows; r += kCount) {
      const Left left = a.from(r);
      tile<kCount, V>(left.data, left.row_step, left.pair_step, from, b.columns, b.pairs,
                      out + r * b.columns + column, b.columns);
    }
  };
  step(std::integral_constant<int, 6>{});
  step(std::integral_constant<int, 2>{});
  step(std::integral_constant<int, 1>{});
}

/// out (rows, b.columns) = a b.
void product(Left a, Right b, std::int64_t rows, float* out) {
  std::int64_t column = 0;
  for (; column + 4 * kLanes <= b.columns; column += 4 * kLanes) {
    panel<4>(a, b, column, rows, out);
  }
  for (; column + 2 * kLanes <= b.columns; column += 2 * kLanes) {
    panel<2>(a, b, column, rows, out);
  }
  for (; column < b.columns; column += kLanes) {
    panel<1>(a, b, column, rows, out);
  }
}

// Blocks of `kWidth` words change places between two rows of a square that is being transposed.
template <int kWidth>
MEDAUG_INLINE void exchange(UintLanes& a, UintLanes& b) {
  UintLanes first, second;
  if constexpr (kWidth == 8) {
    first = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    second =
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  } else if constexpr (kWidth == 4) {
    first = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    second =
        __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  } else if constexpr (kWidth == 2) {
    first = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    second =
        __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  } else {
    first =
        __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    second =
        __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
  a = first;
  b = second;
}

template <int kWidth>
MEDAUG_INLINE void exchange_all(UintLanes (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kWidth) == 0) {
      exchange<kWidth>(rows[i], rows[i + kWidth]);
    }
  }
}

/// Pairs along the columns of x (n, width): (width / 2, padded n), zeros where there is no row.
/// @param stride  elements from one row to the next
Right pack_columns(const Bf16* x, std::int64_t stride, std::int64_t n, std::int64_t width,
                   Pair* out) {
  const std::int64_t columns = padded(n);
  for (std::int64_t first = 0; first < columns; first += kLanes) {
    for (std::int64_t k = 0; k < width / 2; k += kLanes) {
      const std::int64_t words = width / 2 - k < kLanes ? width / 2 - k : kLanes;
      UintLanes square[kLanes];
      for (std::int64_t r = 0; r < kLanes; ++r) {
        square[r] = UintLanes{};
        if (first + r < n) {
          std::memcpy(&square[r], x + (first + r) * stride + 2 * k,
                      sizeof(Pair) * static_cast<std::size_t>(words));
        }
      }
      exchange_all<8>(square);
      exchange_all<4>(square);
      exchange_all<2>(square);
      exchange_all<1>(square);
      for (std::int64_t r = 0; r < words; ++r) {
        std::memcpy(out + (k + r) * columns + first, &square[r], sizeof(square[r]));
      }
    }
  }
  return {out, columns, width / 2};
}

/// Pairs along the rows of x (n, width), width a multiple of 16: (half of n, width).
Right pack_rows(const Bf16* x, std::int64_t stride, std::int64_t n, std::int64_t width, Pair* out) {
  for (std::int64_t row = 0; row < n; row += 2) {
    Pair* const to = out + row / 2 * width;
    for (std::int64_t i = 0; i < width; i += kLanes) {
      HalfLanes even, odd = {};
      std::memcpy(&even, x + row * stride + i, sizeof(even));
      if (row + 1 < n) {
        std::memcpy(&odd, x + (row + 1) * stride + i, sizeof(odd));
      }
      const UintLanes both = __builtin_convertvector(even, UintLanes) |
                             (__builtin_convertvector(odd, UintLanes) << 16);
      std::memcpy(to + i, &both, sizeof(both));
    }
  }
  return {out, width, (n + 1) / 2};
}

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
    used_ += (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64;
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

std::int64_t round64(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Bytes that a context of this many keys takes, forward or backward.
std::int64_t context_bytes(std::int64_t keys, std::int64_t tokens, std::int64_t d, bool backward) {
  const std::int64_t wide = padded(keys);
  const std::int64_t packed = 2 * round64(wide * d * 2) + round64(wide * 4) +
                              round64(kRows * wide * 4) + round64(kRows * wide * 2) + 256;
  return packed + (backward ? 3 * round64((tokens + 1) * wide * 2) + round64(wide * d * 4) : 0);
}

const float* bias_of(const Context& c, Workspace& space) {
  if (c.allowed == nullptr) {
    return nullptr;
  }
  auto* const bias = space.take<float>(padded(c.keys));
  for (std::int64_t i = 0; i < c.keys; ++i) {
    bias[i] = c.allowed[i] != 0 ? 0.0F : -1.0e30F;
  }
  return bias;
}

/// Scores (rows, padded keys) to probabilities; the scores are overwritten.
MEDAUG_INLINE void probabilities(float* scores, const float* bias, const Context& c,
                                 std::int64_t rows, Bf16* p) {
  const std::int64_t wide = padded(c.keys);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* const row = scores + r * wide;
    Lanes top = splat(kLowest);
    for_lanes(c.keys, [&](std::int64_t i, auto lanes) {
      Lanes x = load(row + i, Whole{}) * c.scale;
      x = bias != nullptr ? x + load(bias + i, Whole{}) : x;
      top = larger(keep(x, lanes, kLowest), top);
      store(row + i, x, Whole{});
    });
    const float highest = largest(top);
    Lanes total = {};
    for_lanes(c.keys, [&](std::int64_t i, auto lanes) {
      const Lanes e = keep(exp(load(row + i, Whole{}) - highest), lanes);
      total += e;
      store(row + i, e, Whole{});
    });
    const float inverse = 1.0F / sum(total);
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
  Pair *p_pairs, *ds_pairs;
  float* sums;  ///< (padded keys, d)

  Learning(const Context& c, float f, std::int64_t tokens, std::int64_t d, Workspace& space)
      : context(c),
        factor(f),
        values(pack_columns(c.v, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        keys(pack_rows(c.k, d, c.keys, d, space.take<Pair>(padded(c.keys) * d / 2))),
        dp(space.take<float>(kRows * padded(c.keys))),
        ds(space.take<Bf16>((tokens + 1) * padded(c.keys))),
        p_pairs(space.take<Pair>((tokens + 1) / 2 * padded(c.keys))),
        ds_pairs(space.take<Pair>((tokens + 1) / 2 * padded(c.keys))),
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
    pack_rows(ds, wide, tokens, wide, ds_pairs);
    product({ds_pairs, 1, wide}, q, context.keys, sums);
    write(sums, 1.0F, d, grad_k);
    pack_rows(context.p, wide, tokens, wide, p_pairs);
    product({p_pairs, 1, wide}, grad, context.keys, sums);
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
