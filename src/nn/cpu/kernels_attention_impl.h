// SPDX-License-Identifier: MIT
// Softmax, and the heads of self- and cross-attention joined. Part of kernels_impl.h, which
// includes it once for each instruction set.

#pragma once

#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

constexpr float kLowest = -3.0e38F;

/// What is added to the scores of each key: nothing, or for a key that does not count, very much
/// less than nothing. @param bias (keys, whole vectors), or null when all count
inline void fill_bias(const std::uint8_t* allowed, std::int64_t keys, float* bias) {
  for (std::int64_t i = 0; bias != nullptr && i < keys; ++i) {
    bias[i] = allowed[i] != 0 ? 0.0F : -1.0e30F;
  }
}

/// e^(scale score + bias - the largest of them), zeros up to a whole vector.
/// @param bias  as `fill_bias` made it, or null
/// @param e     (width, whole vectors); may be the scores themselves
/// @return      one over their sum
template <class T>
MEDAUG_INLINE float softmax_weights(const T* scores, const float* bias, float scale,
                                    std::int64_t width, float* e) {
  Lanes top = splat(kLowest);
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    Lanes x = load(scores + i, lanes) * scale;
    x = bias != nullptr ? x + load(bias + i, lanes) : x;
    top = larger(keep(x, lanes, kLowest), top);
    store(e + i, x, Whole{});
  });
  const float highest = largest(top);
  Lanes total = {};
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes x = keep(exp(load(e + i, Whole{}) - highest), lanes);
    total += x;
    store(e + i, x, Whole{});
  });
  return 1.0F / sum(total);
}

template <class T>
void softmax_forward(T* scores, const std::uint8_t* allowed, float scale, std::int64_t width,
                     std::int64_t rows) {
  Scratch e(width);
  Scratch biases(width);
  float* const bias = allowed != nullptr ? biases.data() : nullptr;
  fill_bias(allowed, width, bias);
  for (std::int64_t r = 0; r < rows; ++r) {
    T* const row = scores + r * width;
    const float inverse = softmax_weights(row, bias, scale, width, e.data());
    for_lanes(width, [&](std::int64_t i, auto lanes) {
      store(row + i, load(e.data() + i, Whole{}) * inverse, lanes);
    });
  }
}

template <class T>
void softmax_backward(const T* p, T* grad, float scale, std::int64_t width, std::int64_t rows) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* pr = p + row * width;
    T* gr = grad + row * width;
    Lanes dots = {};
    for_lanes(width, [&](std::int64_t i, auto lanes) {
      dots += load(pr + i, lanes) * load(gr + i, lanes);
    });
    const float dot = sum(dots);
    for_lanes(width, [&](std::int64_t i, auto lanes) {
      store(gr + i, load(pr + i, lanes) * (load(gr + i, lanes) - dot) * scale, lanes);
    });
  }
}

/// f(index of (sample, token, head, 0) in the joined order, of (sample, head, token, 0) in the
/// split one, sample and head in one) for every row of samples [begin, end).
template <class T, class F>
MEDAUG_INLINE void for_head_rows(const JoinHeadsArgs<T>& a, std::int64_t begin, std::int64_t end,
                                 F&& f) {
  for (std::int64_t sample = begin; sample < end; ++sample) {
    for (std::int64_t token = 0; token < a.tokens; ++token) {
      for (std::int64_t head = 0; head < a.heads; ++head) {
        const std::int64_t joined = ((sample * a.tokens + token) * a.heads + head) * a.head_dim;
        const std::int64_t split = ((sample * a.heads + head) * a.tokens + token) * a.head_dim;
        f(joined, split, sample, head);
      }
    }
  }
}

template <class T>
void join_heads_forward(const JoinHeadsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for_head_rows(
      a, begin, end, [&](std::int64_t to, std::int64_t from, std::int64_t, std::int64_t head) {
        if (a.caption == nullptr) {
          std::memcpy(a.out + to, a.self + from, sizeof(T) * static_cast<std::size_t>(a.head_dim));
          return;
        }
        const float gate = a.gate[head];
        for_lanes(a.head_dim, [&](std::int64_t i, auto lanes) {
          store(a.out + to + i,
                load(a.self + from + i, lanes) + gate * load(a.caption + from + i, lanes), lanes);
        });
      });
}

template <class T>
void join_heads_backward(const JoinHeadsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.caption != nullptr) {
    std::memset(a.grad_gate + begin * a.heads, 0,
                sizeof(float) * static_cast<std::size_t>((end - begin) * a.heads));
  }
  for_head_rows(a, begin, end,
                [&](std::int64_t from, std::int64_t to, std::int64_t sample, std::int64_t head) {
                  const T* grad = a.grad_out + from;
                  std::memcpy(a.grad_self + to, grad,
                              sizeof(T) * static_cast<std::size_t>(a.head_dim));
                  if (a.caption == nullptr) {
                    return;
                  }
                  const float gate = a.gate[head];
                  Lanes dots = {};
                  for_lanes(a.head_dim, [&](std::int64_t i, auto lanes) {
                    const Lanes g = load(grad + i, lanes);
                    dots += g * load(a.caption + to + i, lanes);
                    store(a.grad_caption + to + i, gate * g, lanes);
                  });
                  a.grad_gate[sample * a.heads + head] += sum(dots);
                });
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
