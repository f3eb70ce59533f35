// SPDX-License-Identifier: MIT
// Included once by each kernels_<isa>.cc, which defines MEDAUG_ISA.

#include <cmath>

#include "nn/cpu/kernels_attention_impl.h"
#include "nn/cpu/kernels_group_norm_impl.h"
#include "nn/cpu/kernels_instance_norm_impl.h"
#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

// 1 / rms(x) of one row, which is written down for the backward pass.
template <class T>
MEDAUG_INLINE float inverse_rms_of(const RmsNormArgs<T>& a, std::int64_t row) {
  const T* x = a.x + row * a.shape.width;
  Lanes squares = {};
  for_lanes(a.shape.width, [&](std::int64_t i, auto lanes) {
    const Lanes v = load(x + i, lanes);
    squares += v * v;
  });
  const float mean = sum(squares) / static_cast<float>(a.shape.width);
  const float inverse = 1.0F / std::sqrt(mean + static_cast<float>(a.eps));
  a.inverse_rms[row] = inverse;
  return inverse;
}

/// y = finish(x / rms(x) * multiplier, place, lanes) for every row of samples [begin, end).
template <class T, class F>
MEDAUG_INLINE void for_normed(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end,
                              F&& finish) {
  for (std::int64_t sample = begin; sample < end; ++sample) {
    const float* multiplier = a.multiplier + sample * a.shape.multiplier_stride;
    for (std::int64_t n = 0; n < a.shape.rows_per_sample; ++n) {
      const std::int64_t row = sample * a.shape.rows_per_sample + n;
      const float inverse = inverse_rms_of(a, row);
      for_lanes(a.shape.width, [&](std::int64_t i, auto lanes) {
        const std::int64_t at = row * a.shape.width + i;
        const Lanes z = load(a.x + at, lanes) * inverse * load(multiplier + i, lanes);
        store(a.y + at, finish(z, at, lanes), lanes);
      });
    }
  }
}

template <class T>
void rms_norm_forward(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.residual != nullptr) {
    for_normed(a, begin, end, [&](Lanes z, std::int64_t at, auto lanes) {
      return load(a.residual + at, lanes) + z;
    });
  } else if (a.silu) {
    for_normed(a, begin, end, [](Lanes z, std::int64_t, auto) { return z * sigmoid(z); });
  } else {
    for_normed(a, begin, end, [](Lanes z, std::int64_t, auto) { return z; });
  }
}

// With u = x * inverse, y = act(u m): dz = dy act'(u m), dm += dz u, dx = inverse (dz m - u mean(dz
// m u)), and what reaches x beside this norm is added.
template <bool kSilu, class T>
MEDAUG_INLINE void rms_norm_backward_row(const RmsNormArgs<T>& a, std::int64_t row,
                                         const float* multiplier, float* grad_multiplier,
                                         float* dz) {
  const std::int64_t width = a.shape.width;
  const T* x = a.x + row * width;
  const T* dy = a.grad_y + row * width;
  const float inverse = a.inverse_rms[row];
  Lanes dots = {};
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes u = load(x + i, lanes) * inverse;
    const Lanes m = load(multiplier + i, lanes);
    Lanes g = load(dy + i, lanes);
    if constexpr (kSilu) {
      const Lanes z = u * m;
      const Lanes s = sigmoid(z);
      g = g * s * (1.0F + z * (1.0F - s));
    }
    store(dz + i, g * m, Whole{});
    const Lanes du = g * u;
    store(grad_multiplier + i, load(grad_multiplier + i, lanes) + du, lanes);
    dots += du * m;
  });
  const float mean = sum(dots) / static_cast<float>(width);
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes u = load(x + i, lanes) * inverse;
    Lanes dx = inverse * (load(dz + i, Whole{}) - u * mean);
    if (a.grad_residual != nullptr) {
      dx += load(a.grad_residual + row * width + i, lanes);
    }
    store(a.grad_x + row * width + i, dx, lanes);
  });
}

template <class T>
void rms_norm_backward(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  Scratch dz(a.shape.width);
  for (std::int64_t sample = begin; sample < end; ++sample) {
    const float* multiplier = a.multiplier + sample * a.shape.multiplier_stride;
    float* grad_multiplier = a.grad_multiplier + sample * a.shape.width;
    std::memset(grad_multiplier, 0, sizeof(float) * static_cast<std::size_t>(a.shape.width));
    for (std::int64_t n = 0; n < a.shape.rows_per_sample; ++n) {
      const std::int64_t row = sample * a.shape.rows_per_sample + n;
      if (a.silu) {
        rms_norm_backward_row<true>(a, row, multiplier, grad_multiplier, dz.data());
      } else {
        rms_norm_backward_row<false>(a, row, multiplier, grad_multiplier, dz.data());
      }
    }
  }
}

// Pairs (2i, 2i + 1) turn by the angle whose cos and sin stand at rotary[2i], rotary[2i + 1];
// direction -1 turns back.
template <class L>
MEDAUG_INLINE Lanes rotated(Lanes v, const float* rotary, float direction, L lanes) {
  const Lanes turn = load(rotary, lanes);
  const Lanes other =
      __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  const Lanes c =
      __builtin_shufflevector(turn, turn, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
  const Lanes s =
      __builtin_shufflevector(turn, turn, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
  constexpr Lanes kSign = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
  return v * c + other * (s * (kSign * direction));
}

/// The row's layer norm into v.
template <class T>
MEDAUG_INLINE void layer_norm_row(const NormRotateArgs<T>& a, std::int64_t row, const T* x,
                                  float* v) {
  const std::int64_t width = a.heads * a.head_dim;
  Lanes total = {};
  for_lanes(width, [&](std::int64_t i, auto lanes) { total += load(x + i, lanes); });
  const float mean = sum(total) / static_cast<float>(width);
  Lanes squares = {};
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes d = keep(load(x + i, lanes) - mean, lanes);
    squares += d * d;
  });
  const float inverse =
      1.0F / std::sqrt(sum(squares) / static_cast<float>(width) + static_cast<float>(a.eps));
  a.mean[row] = mean;
  a.inverse_std[row] = inverse;
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes u = (load(x + i, lanes) - mean) * inverse;
    store(v + i, u * load(a.weight + i, lanes) + load(a.bias + i, lanes), Whole{});
  });
}

template <class T>
void norm_rotate_forward(const NormRotateArgs<T>& a, std::int64_t begin, std::int64_t end) {
  Scratch normed(a.heads * a.head_dim);
  for (std::int64_t row = begin * a.tokens; row < end * a.tokens; ++row) {
    const std::int64_t sample = row / a.tokens;
    const std::int64_t token = row % a.tokens;
    const T* x = a.x + row * a.row_stride;
    if (a.weight != nullptr) {
      layer_norm_row(a, row, x, normed.data());
    }
    const float* rotary =
        a.rotary == nullptr ? nullptr : a.rotary + sample * a.rotary_stride + token * a.head_dim;
    for (std::int64_t h = 0; h < a.heads; ++h) {
      T* out = a.out + ((sample * a.heads + h) * a.tokens + token) * a.head_dim;
      for_lanes(a.head_dim, [&](std::int64_t i, auto lanes) {
        const std::int64_t at = h * a.head_dim + i;
        const Lanes v = a.weight != nullptr ? load(normed.data() + at, lanes) : load(x + at, lanes);
        store(out + i, rotary != nullptr ? rotated(v, rotary + i, 1.0F, lanes) : v, lanes);
      });
    }
  }
}

// dy is the gradient before the rotation; with u = (x - mean) inverse:
// dw += dy u, db += dy, dx = inverse (dy w - mean(dy w) - u mean(dy w u)).
template <class T>
MEDAUG_INLINE void layer_norm_backward_row(const NormRotateArgs<T>& a, std::int64_t row, float* dy,
                                           T* dx) {
  const std::int64_t width = a.heads * a.head_dim;
  const std::int64_t sample = row / a.tokens;
  const T* x = a.x + row * a.row_stride;
  float* dw = a.grad_weight + sample * width;
  float* db = a.grad_bias + sample * width;
  const float mean = a.mean[row];
  const float inverse = a.inverse_std[row];
  Lanes sums = {};
  Lanes dots = {};
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes u = (load(x + i, lanes) - mean) * inverse;
    const Lanes g = load(dy + i, lanes);
    store(dw + i, load(dw + i, lanes) + g * u, lanes);
    store(db + i, load(db + i, lanes) + g, lanes);
    const Lanes gw = g * load(a.weight + i, lanes);
    sums += gw;
    dots += gw * u;
    store(dy + i, gw, lanes);
  });
  const float mean_dy = sum(sums) / static_cast<float>(width);
  const float mean_dot = sum(dots) / static_cast<float>(width);
  for_lanes(width, [&](std::int64_t i, auto lanes) {
    const Lanes u = (load(x + i, lanes) - mean) * inverse;
    store(dx + i, inverse * (load(dy + i, lanes) - mean_dy - u * mean_dot), lanes);
  });
}

template <class T>
void norm_rotate_backward(const NormRotateArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = a.heads * a.head_dim;
  Scratch dy(width);
  if (a.weight != nullptr) {
    const auto bytes = sizeof(float) * static_cast<std::size_t>((end - begin) * width);
    std::memset(a.grad_weight + begin * width, 0, bytes);
    std::memset(a.grad_bias + begin * width, 0, bytes);
  }
  for (std::int64_t row = begin * a.tokens; row < end * a.tokens; ++row) {
    const std::int64_t sample = row / a.tokens;
    const std::int64_t token = row % a.tokens;
    T* dx = a.grad_x + row * a.row_stride;
    const float* rotary =
        a.rotary == nullptr ? nullptr : a.rotary + sample * a.rotary_stride + token * a.head_dim;
    for (std::int64_t h = 0; h < a.heads; ++h) {
      const T* grad = a.grad_out + ((sample * a.heads + h) * a.tokens + token) * a.head_dim;
      for_lanes(a.head_dim, [&](std::int64_t i, auto lanes) {
        Lanes g = load(grad + i, lanes);
        g = rotary != nullptr ? rotated(g, rotary + i, -1.0F, lanes) : g;
        const std::int64_t at = h * a.head_dim + i;
        if (a.weight != nullptr) {
          store(dy.data() + at, g, lanes);
        } else {
          store(dx + at, g, lanes);
        }
      });
    }
    if (a.weight != nullptr) {
      layer_norm_backward_row(a, row, dy.data(), dx);
    }
  }
}

template <class T>
void swiglu_forward(const SwiGluArgs<T>& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* a = args.ab + 2 * row * args.width;
    const T* b = a + args.width;
    T* out = args.out + row * args.width;
    for_lanes(args.width, [&](std::int64_t i, auto lanes) {
      const Lanes v = load(a + i, lanes);
      store(out + i, v * sigmoid(v) * load(b + i, lanes), lanes);
    });
  }
}

template <class T>
void swiglu_backward(const SwiGluArgs<T>& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* a = args.ab + 2 * row * args.width;
    const T* b = a + args.width;
    const T* grad = args.grad_out + row * args.width;
    T* grad_a = args.grad_ab + 2 * row * args.width;
    T* grad_b = grad_a + args.width;
    for_lanes(args.width, [&](std::int64_t i, auto lanes) {
      const Lanes v = load(a + i, lanes);
      const Lanes s = sigmoid(v);
      const Lanes g = load(grad + i, lanes);
      store(grad_a + i, g * load(b + i, lanes) * s * (1.0F + v * (1.0F - s)), lanes);
      store(grad_b + i, g * v * s, lanes);
    });
  }
}

// The bfloat16 copy and the moving averages of weights that were just made.
template <class L>
MEDAUG_INLINE void spread(const AdamWArgs& a, Lanes weight, std::int64_t i, L lanes) {
  store(a.weight + i, weight, lanes);
  if (a.shadow != nullptr) {
    store(a.shadow + i, weight, lanes);
  }
  for (int k = 0; k < a.emas; ++k) {
    const Lanes ema = load(a.ema[k] + i, lanes);
    store(a.ema[k] + i, a.ema_decay[k] * ema + (1.0F - a.ema_decay[k]) * weight, lanes);
  }
}

MEDAUG_INLINE Lanes square_root(Lanes v) {
#ifdef __AVX512F__
  return std::bit_cast<Lanes>(_mm512_maskz_sqrt_ps(0xFFFF, std::bit_cast<__m512>(v)));
#else
  for (int i = 0; i < kLanes; ++i) {
    v[i] = std::sqrt(v[i]);
  }
  return v;
#endif
}

// p *= 1 - lr wd; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g^2; p -= lr / c1 * m / (sqrt(v) /
// sqrt(c2) + eps) (Loshchilov & Hutter, "Decoupled weight decay regularization"; the order of
// operations is torch.optim.AdamW's.)
template <class G>
void adamw(const AdamWArgs& a, const G* grad, std::int64_t n) {
  const float decay = 1.0F - a.lr * a.weight_decay;
  const float step_size = a.lr / a.correction1;
  for_lanes(n, [&](std::int64_t i, auto lanes) {
    const Lanes g = load(grad + i, lanes) * a.grad_scale;
    const Lanes old_m = load(a.momentum + i, lanes);
    const Lanes m = old_m + a.rest1 * (g - old_m);
    const Lanes v = a.beta2 * load(a.variance + i, lanes) + a.rest2 * g * g;
    store(a.momentum + i, m, lanes);
    store(a.variance + i, v, lanes);
    const Lanes step = step_size * (m / (square_root(v) / a.correction2_sqrt + a.eps));
    spread(a, load(a.weight + i, lanes) * decay - step, i, lanes);
  });
}

template <class G>
void nesterov(const G* grad, float* m, Bf16* direction, float momentum, float scale,
              std::int64_t n) {
  for_lanes(n, [&](std::int64_t i, auto lanes) {
    const Lanes g = load(grad + i, lanes) * scale;
    const Lanes old = load(m + i, lanes);
    const Lanes mean = old + (1.0F - momentum) * (g - old);
    store(m + i, mean, lanes);
    store(direction + i, g + momentum * (mean - g), lanes);
  });
}

inline void apply_update(const AdamWArgs& a, const Bf16* update, std::int64_t n) {
  const float decay = 1.0F - a.lr * a.weight_decay;
  for_lanes(n, [&](std::int64_t i, auto lanes) {
    spread(a, load(a.weight + i, lanes) * decay - a.lr * load(update + i, lanes), i, lanes);
  });
}

template <class T>
double sum_squares(const T* x, std::int64_t n) {
  double total = 0.0;
  constexpr std::int64_t kBlock = 4096;  // float32 within a block, double across blocks
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    Lanes squares = {};
    for_lanes(begin + kBlock < n ? kBlock : n - begin, [&](std::int64_t i, auto lanes) {
      const Lanes v = load(x + begin + i, lanes);
      squares += v * v;
    });
    total += static_cast<double>(sum(squares));
  }
  return total;
}

template <class T>
constexpr Kernels<T> kTable{
    rms_norm_forward<T>,     rms_norm_backward<T>,     norm_rotate_forward<T>,
    norm_rotate_backward<T>, swiglu_forward<T>,        swiglu_backward<T>,
    softmax_forward<T>,      softmax_backward<T>,      join_heads_forward<T>,
    join_heads_backward<T>,  instance_norm_forward<T>, instance_norm_backward<T>,
    group_norm_origin<T>,    group_norm_sums<T>,       group_norm_apply<T>};

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
