// SPDX-License-Identifier: MIT
// Included once by each kernels_<isa>.cc, which defines MEDAUG_ISA. Loops are written so that the
// compiler vectorises them for that instruction set: no branches inside, reductions marked.

#include <cmath>

#include "nn/cpu/kernels_attention_impl.h"
#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

template <class T>
float row_inverse_rms(const T* x, std::int64_t width, float eps) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) {
    const float v = load(x[i]);
    sum += v * v;
  }
  return 1.0F / std::sqrt(sum / static_cast<float>(width) + eps);
}

template <class T>
void rms_norm_row(const RmsNormArgs<T>& a, std::int64_t row, const float* multiplier) {
  const std::int64_t width = a.shape.width;
  const T* x = a.x + row * width;
  T* y = a.y + row * width;
  const float inverse = row_inverse_rms(x, width, static_cast<float>(a.eps));
  a.inverse_rms[row] = inverse;
  if (a.residual != nullptr) {
    const T* residual = a.residual + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      store(y + i, load(residual[i]) + load(x[i]) * inverse * multiplier[i]);
    }
  } else if (a.silu) {
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      const float z = load(x[i]) * inverse * multiplier[i];
      store(y + i, z * sigmoid(z));
    }
  } else {
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      store(y + i, load(x[i]) * inverse * multiplier[i]);
    }
  }
}

template <class T>
void rms_norm_forward(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t sample = begin; sample < end; ++sample) {
    const float* multiplier = a.multiplier + sample * a.shape.multiplier_stride;
    for (std::int64_t n = 0; n < a.shape.rows_per_sample; ++n) {
      rms_norm_row(a, sample * a.shape.rows_per_sample + n, multiplier);
    }
  }
}

// With u = x * inverse, y = act(u m): dz = dy act'(u m), dm += dz u, dx = inverse (dz m - u mean(dz
// m u)).
template <class T>
void rms_norm_backward_row(const RmsNormArgs<T>& a, std::int64_t row, const float* multiplier,
                           float* grad_multiplier, float* dz) {
  const std::int64_t width = a.shape.width;
  const T* x = a.x + row * width;
  const T* dy = a.grad_y + row * width;
  T* dx = a.grad_x + row * width;
  const float inverse = a.inverse_rms[row];
  if (a.silu) {
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      const float z = load(x[i]) * inverse * multiplier[i];
      const float s = sigmoid(z);
      dz[i] = load(dy[i]) * s * (1.0F + z * (1.0F - s));
    }
  } else {
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      dz[i] = load(dy[i]);
    }
  }
  float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
  for (std::int64_t i = 0; i < width; ++i) {
    const float du = dz[i] * load(x[i]) * inverse;
    grad_multiplier[i] += du;
    dot += du * multiplier[i];
  }
  const float mean = dot / static_cast<float>(width);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    store(dx + i, inverse * (dz[i] * multiplier[i] - load(x[i]) * inverse * mean));
  }
}

template <class T>
void rms_norm_backward(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  Scratch dz(a.shape.width);
  for (std::int64_t sample = begin; sample < end; ++sample) {
    const float* multiplier = a.multiplier + sample * a.shape.multiplier_stride;
    float* grad_multiplier = a.grad_multiplier + sample * a.shape.width;
    std::memset(grad_multiplier, 0, sizeof(float) * static_cast<std::size_t>(a.shape.width));
    for (std::int64_t n = 0; n < a.shape.rows_per_sample; ++n) {
      rms_norm_backward_row(a, sample * a.shape.rows_per_sample + n, multiplier, grad_multiplier,
                            dz.data());
    }
  }
}

// Pairs (2i, 2i + 1) turn by the angle whose cos and sin stand at rotary[2i], rotary[2i + 1].
inline void rotate(float* v, const float* rotary, std::int64_t width, float direction) {
#pragma omp simd
  for (std::int64_t i = 0; i < width; i += 2) {
    const float c = rotary[i];
    const float s = rotary[i + 1] * direction;
    const float a = v[i];
    const float b = v[i + 1];
    v[i] = a * c - b * s;
    v[i + 1] = a * s + b * c;
  }
}

template <class T>
void layer_norm_row(const NormRotateArgs<T>& a, std::int64_t row, float* v) {
  const std::int64_t width = a.heads * a.head_dim;
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) {
    sum += v[i];
  }
  const float mean = sum / static_cast<float>(width);
  float squares = 0.0F;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < width; ++i) {
    squares += (v[i] - mean) * (v[i] - mean);
  }
  const float inverse =
      1.0F / std::sqrt(squares / static_cast<float>(width) + static_cast<float>(a.eps));
  a.mean[row] = mean;
  a.inverse_std[row] = inverse;
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    v[i] = (v[i] - mean) * inverse * a.weight[i] + a.bias[i];
  }
}

template <class T>
void norm_rotate_forward(const NormRotateArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = a.heads * a.head_dim;
  Scratch buffer(width);
  float* v = buffer.data();
  for (std::int64_t row = begin * a.tokens; row < end * a.tokens; ++row) {
    const std::int64_t sample = row / a.tokens;
    const std::int64_t token = row % a.tokens;
    const T* x = a.x + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      v[i] = load(x[i]);
    }
    if (a.weight != nullptr) {
      layer_norm_row(a, row, v);
    }
    for (std::int64_t h = 0; h < a.heads; ++h) {
      float* head = v + h * a.head_dim;
      if (a.rotary != nullptr) {
        rotate(head, a.rotary + sample * a.rotary_stride + token * a.head_dim, a.head_dim, 1.0F);
      }
      T* out = a.out + ((sample * a.heads + h) * a.tokens + token) * a.head_dim;
#pragma omp simd
      for (std::int64_t i = 0; i < a.head_dim; ++i) {
        store(out + i, head[i]);
      }
    }
  }
}

// dy is the gradient before the rotation; with u = (x - mean) inverse:
// dw += dy u, db += dy, dx = inverse (dy w - mean(dy w) - u mean(dy w u)).
template <class T>
void layer_norm_backward_row(const NormRotateArgs<T>& a, std::int64_t row, float* dy) {
  const std::int64_t width = a.heads * a.head_dim;
  const std::int64_t sample = row / a.tokens;
  const T* x = a.x + row * width;
  float* dw = a.grad_weight + sample * width;
  float* db = a.grad_bias + sample * width;
  const float mean = a.mean[row];
  const float inverse = a.inverse_std[row];
  float sum = 0.0F;
  float dot = 0.0F;
#pragma omp simd reduction(+ : sum, dot)
  for (std::int64_t i = 0; i < width; ++i) {
    const float u = (load(x[i]) - mean) * inverse;
    dw[i] += dy[i] * u;
    db[i] += dy[i];
    dy[i] *= a.weight[i];
    sum += dy[i];
    dot += dy[i] * u;
  }
  const float mean_dy = sum / static_cast<float>(width);
  const float mean_dot = dot / static_cast<float>(width);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    const float u = (load(x[i]) - mean) * inverse;
    dy[i] = inverse * (dy[i] - mean_dy - u * mean_dot);
  }
}

template <class T>
void norm_rotate_backward(const NormRotateArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = a.heads * a.head_dim;
  Scratch buffer(width);
  float* dy = buffer.data();
  if (a.weight != nullptr) {
    const auto bytes = sizeof(float) * static_cast<std::size_t>((end - begin) * width);
    std::memset(a.grad_weight + begin * width, 0, bytes);
    std::memset(a.grad_bias + begin * width, 0, bytes);
  }
  for (std::int64_t row = begin * a.tokens; row < end * a.tokens; ++row) {
    const std::int64_t sample = row / a.tokens;
    const std::int64_t token = row % a.tokens;
    for (std::int64_t h = 0; h < a.heads; ++h) {
      float* head = dy + h * a.head_dim;
      const T* grad = a.grad_out + ((sample * a.heads + h) * a.tokens + token) * a.head_dim;
#pragma omp simd
      for (std::int64_t i = 0; i < a.head_dim; ++i) {
        head[i] = load(grad[i]);
      }
      if (a.rotary != nullptr) {
        rotate(head, a.rotary + sample * a.rotary_stride + token * a.head_dim, a.head_dim, -1.0F);
      }
    }
    if (a.weight != nullptr) {
      layer_norm_backward_row(a, row, dy);
    }
    T* dx = a.grad_x + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      store(dx + i, dy[i]);
    }
  }
}

template <class T>
void swiglu_forward(const T* a, const T* b, T* out, std::int64_t begin, std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const float v = load(a[i]);
    store(out + i, v * sigmoid(v) * load(b[i]));
  }
}

template <class T>
void swiglu_backward(const T* a, const T* b, const T* grad, T* grad_a, T* grad_b,
                     std::int64_t begin, std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const float v = load(a[i]);
    const float s = sigmoid(v);
    const float g = load(grad[i]);
    store(grad_a + i, g * load(b[i]) * s * (1.0F + v * (1.0F - s)));
    store(grad_b + i, g * v * s);
  }
}

// The bfloat16 copy and the moving averages of weights that were just written.
inline void spread(const AdamWArgs& a, std::int64_t n) {
  if (a.shadow != nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      store(a.shadow + i, a.weight[i]);
    }
  }
  for (int k = 0; k < a.emas; ++k) {
    float* ema = a.ema[k];
    const float keep = a.ema_decay[k];
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      ema[i] = keep * ema[i] + (1.0F - keep) * a.weight[i];
    }
  }
}

// p *= 1 - lr wd; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g^2; p -= lr / c1 * m / (sqrt(v) /
// sqrt(c2) + eps) (Loshchilov & Hutter, "Decoupled weight decay regularization"; the order of
// operations is torch.optim.AdamW's.)
template <class G>
void adamw(const AdamWArgs& a, const G* grad, std::int64_t n) {
  const float decay = 1.0F - a.lr * a.weight_decay;
  const float step_size = a.lr / a.correction1;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = load(grad[i]) * a.grad_scale;
    const float m = a.momentum[i] + a.rest1 * (g - a.momentum[i]);
    const float v = a.beta2 * a.variance[i] + a.rest2 * g * g;
    a.momentum[i] = m;
    a.variance[i] = v;
    a.weight[i] =
        a.weight[i] * decay - step_size * (m / (std::sqrt(v) / a.correction2_sqrt + a.eps));
  }
  spread(a, n);
}

template <class G>
void nesterov(const G* grad, float* m, Bf16* direction, float momentum, float scale,
              std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = load(grad[i]) * scale;
    const float mean = m[i] + (1.0F - momentum) * (g - m[i]);
    m[i] = mean;
    store(direction + i, g + momentum * (mean - g));
  }
}

inline void apply_update(const AdamWArgs& a, const Bf16* update, std::int64_t n) {
  const float decay = 1.0F - a.lr * a.weight_decay;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    a.weight[i] = a.weight[i] * decay - a.lr * load(update[i]);
  }
  spread(a, n);
}

template <class T>
double sum_squares(const T* x, std::int64_t n) {
  double total = 0.0;
  constexpr std::int64_t kBlock = 4096;  // float32 within a block, double across blocks
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = begin + kBlock < n ? begin + kBlock : n;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = begin; i < end; ++i) {
      const float v = load(x[i]);
      sum += v * v;
    }
    total += static_cast<double>(sum);
  }
  return total;
}

template <class T>
constexpr Kernels<T> kTable{rms_norm_forward<T>,     rms_norm_backward<T>, norm_rotate_forward<T>,
                            norm_rotate_backward<T>, swiglu_forward<T>,    swiglu_backward<T>,
                            softmax_forward<T>,      softmax_backward<T>,  join_heads_forward<T>,
                            join_heads_backward<T>};

}  // namespace

extern const Kernels<float> kFloatKernels;
extern const Kernels<Bf16> kBf16Kernels;
extern const OptimizerKernels kOptimizerKernels;
const Kernels<float> kFloatKernels = kTable<float>;
const Kernels<Bf16> kBf16Kernels = kTable<Bf16>;
const OptimizerKernels kOptimizerKernels{adamw<Bf16>,       adamw<float>, nesterov<Bf16>,
                                         nesterov<float>,   apply_update, sum_squares<Bf16>,
                                         sum_squares<float>};

}  // namespace medaug::nn::cpu::MEDAUG_ISA
