// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// The operators that are worth fusing, forward and backward: those of a NextDiT block, and a
// U-Net's norm. Each has one meaning, given by its formula and by the plain version in
// `nn::reference`; on the CPU in float32 and bfloat16 a fused kernel does the same in one pass. All
// are differentiable and safe to call from several threads.

namespace medaug::nn {

enum class Activation { kNone, kSilu };

/// y = act(x / rms(x) * multiplier), with rms over the last dimension: sqrt(mean(x^2) + eps).
/// The multiplier carries the norm's weight and the modulation: w (1 + s), or w tanh(g).
/// @param x           (B, N, D)
/// @param multiplier  (B, D) or (1, D) float32
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& multiplier, double eps,
                    Activation activation = Activation::kNone);

/// x + y / rms(y) * multiplier: the sandwich norm, gate and residual of one branch.
/// @param x, y  (B, N, D)
at::Tensor add_rms_norm(const at::Tensor& x, const at::Tensor& y, const at::Tensor& multiplier,
                        double eps);

struct NormAndInput {
  at::Tensor normed, input;
};
/// `rms_norm`, and its input for the residual beside it: the gradients of both are then added in
/// the same pass.
NormAndInput rms_norm_and_input(const at::Tensor& x, const at::Tensor& multiplier, double eps);

/// Columns of one linear layer's output that become heads: queries, keys or values.
struct HeadGroup {
  std::int64_t heads = 0;
  at::Tensor weight = {}, bias = {};  ///< (H * d) float32 of the norm, or undefined for no norm
  bool rotate = false;
};

/// For each group of columns: layer norm over all its heads jointly, then rotation of adjacent
/// pairs by the angles of the token's place, then the head split.
/// @param x       (B, N, sum of H * d)
/// @param rotary  (N, d / 2, 2) or (B, N, d / 2, 2) float32 cos and sin; undefined = no rotation
/// @return        (B, H, N, d) for each group
std::vector<at::Tensor> split_heads(const at::Tensor& x, const std::vector<HeadGroup>& groups,
                                    const at::Tensor& rotary, double eps);

/// silu(a) * b.  @param ab  (..., 2 D), a before b
at::Tensor swiglu(const at::Tensor& ab);

/// Leaky ReLU (negative values times `slope`) of the instance norm of each channel: y = leaky((x -
/// mean) / sqrt(var + eps) * weight + bias), mean and biased variance over the places of one image
/// (Ulyanov et al., arXiv 1607.08022).
/// @param x             (N, C, H, W); the result is channels-last
/// @param weight, bias  (C)
at::Tensor leaky_instance_norm(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, double eps, double slope);

struct AttentionInputs {
  at::Tensor q = {};  ///< (B, H, N, d)
  at::Tensor k = {},
             v = {};  ///< (B, Hkv, N, d); head j serves the queries j r .. j r + r - 1, r = H / Hkv
  at::Tensor key_mask = {};                   ///< (B, N) bool, true = real; undefined = all real
  at::Tensor caption_k = {}, caption_v = {};  ///< (B, Hkv, L, d); undefined = no captions
  at::Tensor caption_mask = {};               ///< (B, L) bool
  at::Tensor gate = {};                       ///< (H) float32, already tanh(gate)
  double scale = 0.0;  ///< of self-attention; that of the caption is always 1 / sqrt(d)
};

/// softmax(q k^T scale) v + gate softmax(q yk^T / sqrt(d)) yv, heads joined.  @return (B, N, H * d)
at::Tensor attention(const AttentionInputs& in);

/// float32, or float64 as it is: what norms, gates and reductions are computed in.
at::Tensor wide(const at::Tensor& x);

namespace reference {
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& multiplier, double eps,
                    Activation activation);
at::Tensor add_rms_norm(const at::Tensor& x, const at::Tensor& y, const at::Tensor& multiplier,
                        double eps);
std::vector<at::Tensor> split_heads(const at::Tensor& x, const std::vector<HeadGroup>& groups,
                                    const at::Tensor& rotary, double eps);
at::Tensor swiglu(const at::Tensor& ab);
at::Tensor leaky_instance_norm(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, double eps, double slope);
at::Tensor attention(const AttentionInputs& in);
}  // namespace reference

/// True when the fused CPU kernels take this tensor (CPU, float32 or bfloat16). `set_fused(false)`
/// turns them off, for tests and benchmarks.
bool uses_fused(const at::Tensor& x);
void set_fused(bool on);

}  // namespace medaug::nn
