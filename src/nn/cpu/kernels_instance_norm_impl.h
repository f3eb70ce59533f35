// SPDX-License-Identifier: MIT
// Instance norm and leaky ReLU over places that lie one after the other, channels innermost. Part
// of kernels_impl.h. Sixteen channels at a time run over all places of a sample.

#pragma once

#include <cmath>

#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

struct TwoSums {
  Lanes first = {}, second = {};
  MEDAUG_INLINE void operator+=(const TwoSums& other) {
    first += other.first;
    second += other.second;
  }
};

/// Sum of f(offset of a place) over all places of a sample, block by block: a float that has grown
/// large would swallow what is added to it.
template <class Sum, class F>
MEDAUG_INLINE Sum sum_of_places(std::int64_t places, std::int64_t channels, F&& f) {
  constexpr std::int64_t kBlock = 256;
  Sum total = {};
  for (std::int64_t begin = 0; begin < places; begin += kBlock) {
    const std::int64_t end = begin + kBlock < places ? begin + kBlock : places;
    Sum block = {};
    for (std::int64_t p = begin; p < end; ++p) {
      block += f(p * channels);
    }
    total += block;
  }
  return total;
}

template <class T>
void instance_norm_forward(const InstanceNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const float count = static_cast<float>(a.places);
  for (std::int64_t sample = begin; sample < end; ++sample) {
    for_lanes(a.channels, [&](std::int64_t c, auto lanes) {
      const std::int64_t first = sample * a.places * a.channels + c;
      const T* x = a.x + first;
      T* y = a.y + first;
      // From the first place on, so that a large mean leaves the digits to the differences.
      const Lanes origin = load(x, lanes);
      const auto moved = sum_of_places<Lanes>(
          a.places, a.channels, [&](std::int64_t at) { return load(x + at, lanes) - origin; });
      const Lanes mean = origin + moved / count;
      const auto squares = sum_of_places<Lanes>(a.places, a.channels, [&](std::int64_t at) {
        const Lanes d = load(x + at, lanes) - mean;
        return d * d;
      });
      Lanes inverse = squares / count + a.eps;
      for (std::int64_t i = 0; i < kLanes; ++i) {
        inverse[i] = 1.0F / std::sqrt(inverse[i]);
      }
      store(a.mean + sample * a.channels + c, mean, lanes);
      store(a.inverse_std + sample * a.channels + c, inverse, lanes);
      const Lanes scale = load(a.weight + c, lanes) * inverse, bias = load(a.bias + c, lanes);
      for (std::int64_t p = 0; p < a.places; ++p) {
        const Lanes z = (load(x + p * a.channels, lanes) - mean) * scale + bias;
        store(y + p * a.channels, z > 0.0F ? z : z * a.slope, lanes);
      }
    });
  }
}

// With u = (x - mean) / std, z = w u + b, y = leaky(z): g = dy leaky'(z), db = sum g, dw = sum g u,
// dx = w / std (g - (db + u dw) / places).
template <class T>
void instance_norm_backward(const InstanceNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const float count = static_cast<float>(a.places);
  for (std::int64_t sample = begin; sample < end; ++sample) {
    for_lanes(a.channels, [&](std::int64_t c, auto lanes) {
      const std::int64_t first = sample * a.places * a.channels + c;
      const std::int64_t row = sample * a.channels + c;
      const T *x = a.x + first, *grad_y = a.grad_y + first;
      T* grad_x = a.grad_x + first;
      const Lanes mean = load(a.mean + row, lanes), inverse = load(a.inverse_std + row, lanes);
      const Lanes weight = load(a.weight + c, lanes), bias = load(a.bias + c, lanes);
      const auto normed = [&](std::int64_t at) { return (load(x + at, lanes) - mean) * inverse; };
      const auto through_relu = [&](std::int64_t at, Lanes u) {
        const Lanes g = load(grad_y + at, lanes), z = weight * u + bias;
        return z > 0.0F ? g : g * a.slope;
      };
      const auto sums = sum_of_places<TwoSums>(a.places, a.channels, [&](std::int64_t at) {
        const Lanes u = normed(at), g = through_relu(at, u);
        return TwoSums{g, g * u};
      });
      store(a.grad_bias + row, sums.first, lanes);
      store(a.grad_weight + row, sums.second, lanes);
      const Lanes scale = weight * inverse;
      const Lanes mean_g = sums.first / count, mean_gu = sums.second / count;
      for (std::int64_t at = 0; at < a.places * a.channels; at += a.channels) {
        const Lanes u = normed(at);
        store(grad_x + at, scale * (through_relu(at, u) - mean_g - u * mean_gu), lanes);
      }
    });
  }
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
