// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

// Plain-pointer kernels of the fused operators. `kernels_impl.h` is compiled once for each
// instruction set and `kernels()` picks the best that this CPU has. Each call works on a range of
// rows or samples, so that the caller decides on threads. bfloat16 is passed as its bits; all
// arithmetic is float32.

namespace medaug::nn::cpu {

struct Bf16 {
  std::uint16_t bits;
};

/// Rows of one tensor (B, N, D) that share a multiplier per sample.
struct RowShape {
  std::int64_t rows_per_sample = 0;    ///< N
  std::int64_t width = 0;              ///< D
  std::int64_t multiplier_stride = 0;  ///< D, or 0 when one multiplier serves every sample
};

template <class T>
struct RmsNormArgs {
  RowShape shape;
  const T* x = nullptr;  ///< (B, N, D)
  const float* multiplier = nullptr;
  const T* residual = nullptr;  ///< (B, N, D) or null
  T* y = nullptr;
  float* inverse_rms = nullptr;  ///< (B, N), written forward, read backward
  double eps = 0.0;
  bool silu = false;
  const T* grad_y = nullptr;         ///< backward
  const T* grad_residual = nullptr;  ///< or null: what reaches x beside the norm, added to grad_x
  T* grad_x = nullptr;
  float* grad_multiplier = nullptr;  ///< (B, D), overwritten
};

template <class T>
struct NormRotateArgs {
  std::int64_t tokens = 0, heads = 0, head_dim = 0;
  std::int64_t row_stride = 0;    ///< elements from one token of x (and grad_x) to the next
  const T* x = nullptr;           ///< (B, N, H * d)
  const float* weight = nullptr;  ///< (H * d) or null
  const float* bias = nullptr;
  const float* rotary = nullptr;   ///< (N, d / 2, 2) or null
  std::int64_t rotary_stride = 0;  ///< per sample; 0 = one table for all
  T* out = nullptr;                ///< (B, H, N, d)
  float* mean = nullptr;           ///< (B, N)
  float* inverse_std = nullptr;    ///< (B, N)
  double eps = 0.0;
  const T* grad_out = nullptr;  ///< backward
  T* grad_x = nullptr;
  float* grad_weight = nullptr;  ///< (B, H * d), overwritten
  float* grad_bias = nullptr;    ///< (B, H * d), overwritten
};

/// Rows of a beside b, (R, 2 D), and of out, (R, D).
template <class T>
struct SwiGluArgs {
  std::int64_t width = 0;  ///< D
  const T* ab = nullptr;
  T* out = nullptr;
  const T* grad_out = nullptr;  ///< backward
  T* grad_ab = nullptr;
};

/// out = self + gate caption, from (B, H, N, d) to (B, N, H * d).
template <class T>
struct JoinHeadsArgs {
  std::int64_t tokens = 0, heads = 0, head_dim = 0;
  const T* self = nullptr;
  const T* caption = nullptr;   ///< or null
  const float* gate = nullptr;  ///< (H), with caption
  T* out = nullptr;
  const T* grad_out = nullptr;  ///< backward
  T* grad_self = nullptr;
  T* grad_caption = nullptr;
  float* grad_gate = nullptr;  ///< (B, H), overwritten
};

/// Samples (N, places, channels): an image whose channels lie innermost.
template <class T>
struct InstanceNormArgs {
  std::int64_t places = 0, channels = 0;
  const T* x = nullptr;
  const float *weight = nullptr, *bias = nullptr;  ///< (channels)
  T* y = nullptr;
  float *mean = nullptr, *inverse_std = nullptr;  ///< (N, channels), written forward, read backward
  float eps = 0.0F;
  float slope = 1.0F;         ///< of what is negative
  const T* grad_y = nullptr;  ///< backward
  T* grad_x = nullptr;
  float *grad_weight = nullptr, *grad_bias = nullptr;  ///< (N, channels), overwritten
};

/// One sample (places, channels): an image whose channels lie innermost.
template <class T>
struct GroupNormArgs {
  std::int64_t channels = 0;
  const T* x = nullptr;
  const float* origin = nullptr;                   ///< (channels) that the sums are taken from
  float* sums = nullptr;                           ///< (2, channels), overwritten
  const float *scale = nullptr, *shift = nullptr;  ///< (channels)
  T* y = nullptr;                                  ///< may be x
  bool silu = false;
};

template <class T>
struct Kernels {
  /// Samples [begin, end).
  void (*rms_norm_forward)(const RmsNormArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*rms_norm_backward)(const RmsNormArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*norm_rotate_forward)(const NormRotateArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*norm_rotate_backward)(const NormRotateArgs<T>&, std::int64_t begin, std::int64_t end);
  /// out = silu(a) * b, rows [begin, end).
  void (*swiglu_forward)(const SwiGluArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*swiglu_backward)(const SwiGluArgs<T>&, std::int64_t begin, std::int64_t end);
  /// scores := softmax(scores * scale) in place, rows of `width`; `allowed` (width bytes) or null
  /// masks keys.
  void (*softmax_forward)(T* scores, const std::uint8_t* allowed, float scale, std::int64_t width,
                          std::int64_t rows);
  /// grad := p (grad - sum(p grad)) * scale in place.
  void (*softmax_backward)(const T* p, T* grad, float scale, std::int64_t width, std::int64_t rows);
  void (*join_heads_forward)(const JoinHeadsArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*join_heads_backward)(const JoinHeadsArgs<T>&, std::int64_t begin, std::int64_t end);
  /// Samples [begin, end).
  void (*instance_norm_forward)(const InstanceNormArgs<T>&, std::int64_t begin, std::int64_t end);
  void (*instance_norm_backward)(const InstanceNormArgs<T>&, std::int64_t begin, std::int64_t end);
  /// Mean of a few of the places: a number near that of all of them.
  void (*group_norm_origin)(const GroupNormArgs<T>&, std::int64_t places, float* origin);
  /// Sums of x - origin and of its square over places [begin, end), a few hundred at most.
  void (*group_norm_sums)(const GroupNormArgs<T>&, std::int64_t begin, std::int64_t end);
  /// y = act(x scale + shift), places [begin, end).
  void (*group_norm_apply)(const GroupNormArgs<T>&, std::int64_t begin, std::int64_t end);
};

/// softmax(q k^T scale) v + gate softmax(q yk^T caption_scale) yv, heads joined. The head dimension
/// is a multiple of 16. Probabilities that are kept have rows of keys rounded up to 16, with zeros
/// at their ends.
struct AttentionArgs {
  std::int64_t heads = 0, tokens = 0, captions = 0, head_dim = 0;
  const Bf16 *q = nullptr, *k = nullptr, *v = nullptr;    ///< (B, H, N, d)
  const Bf16 *caption_k = nullptr, *caption_v = nullptr;  ///< (B, H, L, d), or null
  const std::uint8_t* key_mask = nullptr;                 ///< (B, N), or null = all count
  const std::uint8_t* caption_mask = nullptr;             ///< (B, L), or null
  const float* gate = nullptr;                            ///< (H), with captions
  float scale = 0, caption_scale = 0;
  Bf16* p = nullptr;               ///< (B, H, N, keys): kept for the backward pass; null = not kept
  Bf16* caption_p = nullptr;       ///< likewise
  Bf16* out = nullptr;             ///< (B, N, H * d)
  const Bf16* grad_out = nullptr;  ///< backward
  Bf16 *grad_q = nullptr, *grad_k = nullptr, *grad_v = nullptr;
  Bf16 *grad_caption_k = nullptr, *grad_caption_v = nullptr;
  float* grad_gate = nullptr;  ///< (B, H), overwritten
};

/// Each call does pairs (sample, head) from begin to end, numbered sample by sample.
struct AttentionKernels {
  void (*forward)(const AttentionArgs&, std::int64_t begin, std::int64_t end);
  void (*backward)(const AttentionArgs&, std::int64_t begin, std::int64_t end);
};

struct AdamWArgs {
  float* weight = nullptr;  ///< fp32 master
  float* momentum = nullptr;
  float* variance = nullptr;
  Bf16* shadow = nullptr;  ///< bfloat16 copy, or null
  float* ema[3] = {nullptr, nullptr, nullptr};
  float ema_decay[3] = {0, 0, 0};
  int emas = 0;
  float lr = 0, beta2 = 0, eps = 0, weight_decay = 0;
  float rest1 = 0, rest2 = 0;                   ///< 1 - beta1 and 1 - beta2, formed in double
  float correction1 = 1, correction2_sqrt = 1;  ///< 1 - beta1^t, sqrt(1 - beta2^t)
  float grad_scale = 1;
};

struct OptimizerKernels {
  void (*adamw_bf16)(const AdamWArgs&, const Bf16* grad, std::int64_t n);
  void (*adamw_float)(const AdamWArgs&, const float* grad, std::int64_t n);
  /// Nesterov momentum: m += (1 - momentum) (scale g - m); direction = scale g + momentum (m -
  /// scale g).
  void (*nesterov_bf16)(const Bf16* grad, float* m, Bf16* direction, float momentum, float scale,
                        std::int64_t n);
  void (*nesterov_float)(const float* grad, float* m, Bf16* direction, float momentum, float scale,
                         std::int64_t n);
  /// weight = weight (1 - lr weight_decay) - lr update, then the copy and the averages.
  void (*apply_update)(const AdamWArgs&, const Bf16* update, std::int64_t n);
  /// Sum of squares, accumulated in double; not finite when any value is not.
  double (*sum_squares_bf16)(const Bf16* x, std::int64_t n);
  double (*sum_squares_float)(const float* x, std::int64_t n);
};

template <class T>
const Kernels<T>& kernels();
template <>
const Kernels<float>& kernels<float>();
template <>
const Kernels<Bf16>& kernels<Bf16>();
const OptimizerKernels& optimizer_kernels();
/// Null where the CPU has no products of bfloat16 pairs (AVX512_BF16).
const AttentionKernels* attention_kernels();

/// "avx512bf16", "avx512", "avx2" or "baseline": what `kernels()` picked.
/// MEDAUG_CPU=baseline|avx2|avx512 lowers it, for tests.
const char* instruction_set();

}  // namespace medaug::nn::cpu
