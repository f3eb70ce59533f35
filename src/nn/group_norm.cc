// SPDX-License-Identifier: MIT
#include "nn/group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/fused.h"

namespace medaug::nn {

using at::Tensor;

namespace {

// Places that one partial sum covers: few enough for float32, and fixed, so that the number of
// threads does not show in the result.
constexpr std::int64_t kChunk = 256;

/// What brings each channel of one sample to its norm: y = x scale + shift.
struct Affine {
  std::vector<float> scale, shift;
};

struct Channel {
  double origin = 0.0, sum = 0.0, squares = 0.0;  ///< sums of x - origin
};

/// Mean and variance of channels whose sums have origins of their own.
std::pair<double, double> moments_of(const Channel* channels, std::int64_t count,
                                     std::int64_t places) {
  const auto n = static_cast<double>(places);
  double mean = 0.0;
  for (std::int64_t c = 0; c < count; ++c) {
    mean += channels[c].origin + channels[c].sum / n;
  }
  mean /= static_cast<double>(count);
  double variance = 0.0;
  for (std::int64_t c = 0; c < count; ++c) {
    const double own = channels[c].origin + channels[c].sum / n;
    const double within = channels[c].squares / n - (channels[c].sum / n) * (channels[c].sum / n);
    variance += std::max(within, 0.0) + (own - mean) * (own - mean);
  }
  return {mean, variance / static_cast<double>(count)};
}

template <class T>
std::vector<Channel> channel_sums(cpu::GroupNormArgs<T> args, std::int64_t places) {
  const auto chunks = (places + kChunk - 1) / kChunk;
  std::vector<float> origin(static_cast<std::size_t>(args.channels));
  const Tensor partial = at::empty({chunks, 2, args.channels}, at::kFloat);
  args.origin = origin.data();
  cpu::kernels<T>().group_norm_origin(args, places, origin.data());
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      auto own = args;
      own.sums = partial.mutable_data_ptr<float>() + i * 2 * args.channels;
      cpu::kernels<T>().group_norm_sums(own, i * kChunk, std::min((i + 1) * kChunk, places));
    }
  });
  std::vector<Channel> channels(origin.size());
  const float* from = partial.const_data_ptr<float>();
  for (std::int64_t i = 0; i < chunks; ++i, from += 2 * args.channels) {
    for (std::size_t c = 0; c < channels.size(); ++c) {
      channels[c].sum += static_cast<double>(from[c]);
      channels[c].squares += static_cast<double>(from[channels.size() + c]);
    }
  }
  for (std::size_t c = 0; c < channels.size(); ++c) {
    channels[c].origin = static_cast<double>(origin[c]);
  }
  return channels;
}

Affine affine_of(const std::vector<Channel>& channels, std::int64_t places, const float* weight,
                 const float* bias, const GroupNormOptions& options) {
  Affine out{std::vector<float>(channels.size()), std::vector<float>(channels.size())};
  const auto width = channels.size() / static_cast<std::size_t>(options.groups);
  for (std::size_t first = 0; first < channels.size(); first += width) {
    const auto [mean, variance] =
        moments_of(&channels[first], static_cast<std::int64_t>(width), places);
    const double inverse = 1.0 / std::sqrt(variance + options.eps);
    for (auto c = first; c < first + width; ++c) {
      const double scale = static_cast<double>(weight[c]) * inverse;
      out.scale[c] = static_cast<float>(scale);
      out.shift[c] = static_cast<float>(static_cast<double>(bias[c]) - mean * scale);
    }
  }
  return out;
}

template <class T>
void norm_sample(cpu::GroupNormArgs<T> args, std::int64_t places, const float* weight,
                 const float* bias, const GroupNormOptions& options) {
  const auto affine = affine_of(channel_sums(args, places), places, weight, bias, options);
  args.scale = affine.scale.data();
  args.shift = affine.shift.data();
  at::parallel_for(0, places, kChunk, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels<T>().group_norm_apply(args, begin, end);
  });
}

Tensor fused_group_norm(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in,
                        const GroupNormOptions& options, Storage storage) {
  const auto x = x_in.contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = storage == Storage::kReuse ? x : at::empty_like(x);
  const auto weight = weight_in.to(at::kFloat).contiguous();
  const auto bias = bias_in.to(at::kFloat).contiguous();
  const auto places = x.size(2) * x.size(3), sample = places * x.size(1);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t n = 0; n < x.size(0); ++n) {
      cpu::GroupNormArgs<T> args;
      args.channels = x.size(1);
      args.x = pointer<T>(x) + n * sample;
      args.y = pointer<T>(y) + n * sample;
      args.silu = options.activation == Activation::kSilu;
      norm_sample(args, places, weight.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                  options);
    }
  });
  return y;
}

}  // namespace

Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const GroupNormOptions& options, Storage storage) {
  return uses_fused(x) && x.numel() > 0 ? fused_group_norm(x, weight, bias, options, storage)
                                        : reference::group_norm(x, weight, bias, options);
}

namespace reference {

Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const GroupNormOptions& options) {
  const auto all = wide(x);
  const auto type = all.scalar_type();
  const auto y =
      at::group_norm(all, options.groups, weight.to(type), bias.to(type), options.eps, x.is_cuda());
  return (options.activation == Activation::kSilu ? at::silu(y) : y)
      .to(x.scalar_type(), false, false, at::MemoryFormat::ChannelsLast);
}

}  // namespace reference
}  // namespace medaug::nn
