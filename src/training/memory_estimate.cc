// SPDX-License-Identifier: MIT
#include "training/memory_estimate.h"

#include <algorithm>

#include "models/autoencoder.h"
#include "models/nextdit.h"

namespace medaug {
namespace {

double real(std::int64_t value) { return static_cast<double>(value); }

double key_width(const NextDiTOptions& o) {
  return real(o.dim / o.heads * (o.kv_heads > 0 ? o.kv_heads : o.heads));
}

// The fused operators of a CPU: values per token and block that the backward pass needs, in units
// of the width: norms, projections, attention and residuals. Counted by hand on the block; with the
// probabilities of attention it comes to 1.14 GB where configs/isic2017_64.yaml peaked at 1.27 GB.
double fused_block_bytes(const MemorySetting& s, double tokens) {
  constexpr double kValuesPerToken = 16.0;
  const auto& o = s.model;
  const double each = kValuesPerToken * real(o.dim) + 4.0 * real(ffn_hidden(o));
  const double probabilities = real(o.heads) * (tokens + real(s.caption_tokens));
  return tokens * (each + probabilities) * (s.half ? 2.0 : 4.0);
}

// Plain operators: what autograd keeps of a block, counted on nn/reference.cc. A norm keeps its
// float32 input, and what its multiplier is applied to unless the multiplier is frozen. e = bytes
// of a value of the network.
double plain_block_bytes(const MemorySetting& s, double tokens) {
  const auto& o = s.model;
  const double d = real(o.dim), k = key_width(o), e = s.half ? 2.0 : 4.0;
  const double captions = o.caption_dim > 0 ? real(s.caption_tokens) : 0.0;
  const double norm = s.lora.rank > 0 ? 4.0 : 8.0;
  const double norms = 4.0 * norm * d + 4.0 * (d + k);  // four RMS norms; queries, keys
  const double products = 3.0 * e * d + 9.0 * e * real(s.lora.rank);  // inputs of qkv, wo, w1 w3
  const double attention = 5.0 * e * d + 8.0 * real(o.heads);         // q, k, v, both results
  const double feed_forward = 4.0 * e * real(ffn_hidden(o));  // a and b, silu(a), input of w2
  const double caption = (norm + e) * real(o.caption_dim) + 4.0 * k + 2.0 * e * d;
  return tokens * (norms + products + attention + feed_forward) + captions * caption;
}

// Gradients on their way through a block beside what it keeps.
double passing_bytes(const MemorySetting& s, double tokens) {
  const double e = s.half ? 2.0 : 4.0;
  return tokens * (6.0 * 4.0 * real(s.model.dim) + 4.0 * e * real(ffn_hidden(s.model)));
}

double conv_end_bytes(const MemorySetting& s) {
  constexpr double kConvValues = 12.0;
  double bytes = 0.0, pixels = real(s.height * s.width);
  for (const auto channels : s.model.conv_channels) {
    bytes += kConvValues * pixels * real(channels) * (s.half ? 2.0 : 4.0);
    pixels /= 4.0;
  }
  return bytes;
}

double image_bytes(const MemorySetting& s) {
  const double tokens = real(s.height / s.model.patch_size * (s.width / s.model.patch_size));
  const double row = tokens * real(s.model.dim) * (s.half ? 2.0 : 4.0);
  const double block = s.gpu ? plain_block_bytes(s, tokens) : fused_block_bytes(s, tokens);
  const double blocks =
      s.checkpointed ? real(s.model.layers) * row + block : real(s.model.layers) * block;
  const double last = s.gpu ? tokens * 14.0 * real(s.model.dim) + passing_bytes(s, tokens) : 0.0;
  return blocks + last + conv_end_bytes(s);
}

}  // namespace

double MemoryEstimate::bytes(std::int64_t batch) const {
  return weights + state + gradients + std::max(workspace, per_image * real(batch));
}

std::int64_t MemoryEstimate::largest_batch(double available) const {
  const double left = available - weights - state - gradients;
  return left < workspace ? 0 : static_cast<std::int64_t>(left / per_image);
}

MemoryEstimate estimate_memory(const MemorySetting& s) {
  NextDiT network(s.model, 0, at::kMeta);
  if (s.lora.rank > 0) {
    add_lora(network, s.lora, 0);
  }
  MemoryEstimate out;
  std::int64_t largest = 0;
  for (const auto& parameter : network.parameters()) {
    out.parameters += parameter.numel();
    if (parameter.requires_grad()) {
      out.trained += parameter.numel();
      largest = std::max(largest, parameter.numel());
    }
  }
  const double e = s.half ? 2.0 : 4.0, trained = real(out.trained);
  out.weights = real(out.parameters - out.trained) * e +
                trained * (4.0 + (s.half ? 2.0 : 0.0) + 4.0 * real(s.averages));
  out.state = trained * (s.low_state ? 4.0 : 8.0);
  out.gradients = trained * (e + (s.accumulates ? 4.0 : 0.0));
  // Of the largest tensor: its gradient and three more in float32; both averages, and their random
  // numbers in 64 bits.
  out.workspace = s.gpu ? real(largest) * (s.low_state ? 48.0 : 16.0) : 0.0;
  if (s.autoencoder) {
    const auto scale = autoencoder_downscale(*s.autoencoder);
    const auto activations =
        activation_bytes(*s.autoencoder, AutoencoderHalf::kEncoder,
                         s.height * s.width * scale * scale, s.half ? at::kBFloat16 : at::kFloat);
    out.weights += real(nn::parameter_count(Autoencoder(*s.autoencoder, {}, at::kMeta))) * e;
    out.workspace = std::max(out.workspace, real(std::min(activations, kMostAutoencoderBytes)));
  }
  out.per_image = image_bytes(s);
  return out;
}

}  // namespace medaug
