// SPDX-License-Identifier: MIT
// Group norm and SiLU over places that lie one after the other, channels innermost. Part of
// kernels_impl.h. Place by place, as memory lies; the sums stay in the first cache.

#pragma once

#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

template <class T>
void group_norm_origin(const GroupNormArgs<T>& a, std::int64_t places, float* origin) {
  const std::int64_t count = places < 16 ? places : 16;
  for_lanes(a.channels, [&](std::int64_t c, auto lanes) {
    Lanes sum = {};
    for (std::int64_t i = 0; i < count; ++i) {
      sum += load(a.x + i * places / count * a.channels + c, lanes);
    }
    store(origin + c, sum / static_cast<float>(count), lanes);
  });
}

template <class T>
void group_norm_sums(const GroupNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  float* const squares = a.sums + a.channels;
  for (std::int64_t c = 0; c < 2 * a.channels; ++c) {
    a.sums[c] = 0.0F;
  }
  for (std::int64_t p = begin; p < end; ++p) {
    const T* x = a.x + p * a.channels;
    for_lanes(a.channels, [&](std::int64_t c, auto lanes) {
      // From near the mean, so that a large one leaves the digits to the differences.
      const Lanes d = load(x + c, lanes) - load(a.origin + c, lanes);
      store(a.sums + c, load(a.sums + c, lanes) + d, lanes);
      store(squares + c, load(squares + c, lanes) + d * d, lanes);
    });
  }
}

template <bool kSilu, class T>
MEDAUG_INLINE void group_norm_places(const GroupNormArgs<T>& a, std::int64_t begin,
                                     std::int64_t end) {
  for (std::int64_t p = begin; p < end; ++p) {
    const T* x = a.x + p * a.channels;
    T* y = a.y + p * a.channels;
    for_lanes(a.channels, [&](std::int64_t c, auto lanes) {
      const Lanes z = load(x + c, lanes) * load(a.scale + c, lanes) + load(a.shift + c, lanes);
      store(y + c, kSilu ? z * sigmoid(z) : z, lanes);
    });
  }
}

template <class T>
void group_norm_apply(const GroupNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.silu) {
    group_norm_places<true>(a, begin, end);
  } else {
    group_norm_places<false>(a, begin, end);
  }
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
