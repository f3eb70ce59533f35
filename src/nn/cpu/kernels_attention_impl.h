// SPDX-License-Identifier: MIT
// Softmax, and the heads of self- and cross-attention joined. Part of kernels_impl.h, which
// includes it once for each instruction set.

#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

template <class T>
void softmax_row(T* scores, const float* bias, float scale, std::int64_t width, float* v) {
  float top = -3.0e38F;
#pragma omp simd reduction(max : top)
  for (std::int64_t i = 0; i < width; ++i) {
    v[i] = load(scores[i]) * scale + bias[i];
    top = v[i] > top ? v[i] : top;
  }
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) {
    v[i] = exp_fast(v[i] - top);
    sum += v[i];
  }
  const float inverse = 1.0F / sum;
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    store(scores + i, v[i] * inverse);
  }
}

template <class T>
void softmax_forward(T* scores, const std::uint8_t* allowed, float scale, std::int64_t width,
                     std::int64_t rows) {
  Scratch v(width);
  Scratch bias(width);
  if (allowed != nullptr) {
    for (std::int64_t i = 0; i < width; ++i) {
      bias.data()[i] = allowed[i] != 0 ? 0.0F : -1.0e30F;
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    softmax_row(scores + row * width, bias.data(), scale, width, v.data());
  }
}

template <class T>
void softmax_backward(const T* p, T* grad, float scale, std::int64_t width, std::int64_t rows) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* pr = p + row * width;
    T* gr = grad + row * width;
    float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < width; ++i) {
      dot += load(pr[i]) * load(gr[i]);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      store(gr + i, load(pr[i]) * (load(gr[i]) - dot) * scale);
    }
  }
}

template <class T>
void join_heads_forward(const JoinHeadsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin * a.tokens * a.heads; row < end * a.tokens * a.heads; ++row) {
    const std::int64_t head = row % a.heads;
    const std::int64_t token = row / a.heads % a.tokens;
    const std::int64_t sample = row / a.heads / a.tokens;
    const std::int64_t from = ((sample * a.heads + head) * a.tokens + token) * a.head_dim;
    T* out = a.out + row * a.head_dim;
    if (a.caption == nullptr) {
      std::memcpy(out, a.self + from, sizeof(T) * static_cast<std::size_t>(a.head_dim));
      continue;
    }
    const float gate = a.gate[head];
#pragma omp simd
    for (std::int64_t i = 0; i < a.head_dim; ++i) {
      store(out + i, load(a.self[from + i]) + gate * load(a.caption[from + i]));
    }
  }
}

template <class T>
void join_heads_backward(const JoinHeadsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.caption != nullptr) {
    std::memset(a.grad_gate + begin * a.heads, 0,
                sizeof(float) * static_cast<std::size_t>((end - begin) * a.heads));
  }
  for (std::int64_t row = begin * a.tokens * a.heads; row < end * a.tokens * a.heads; ++row) {
    const std::int64_t head = row % a.heads;
    const std::int64_t token = row / a.heads % a.tokens;
    const std::int64_t sample = row / a.heads / a.tokens;
    const std::int64_t to = ((sample * a.heads + head) * a.tokens + token) * a.head_dim;
    const T* grad = a.grad_out + row * a.head_dim;
    std::memcpy(a.grad_self + to, grad, sizeof(T) * static_cast<std::size_t>(a.head_dim));
    if (a.caption == nullptr) {
      continue;
    }
    const float gate = a.gate[head];
    float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < a.head_dim; ++i) {
      const float g = load(grad[i]);
      dot += g * load(a.caption[to + i]);
      store(a.grad_caption + to + i, gate * g);
    }
    a.grad_gate[sample * a.heads + head] += dot;
  }
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
