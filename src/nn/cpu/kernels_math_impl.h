// SPDX-License-Identifier: MIT
// Loads, stores and elementary functions of the CPU kernels. Part of kernels_impl.h, which includes
// it once for each instruction set.

#pragma once

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "nn/cpu/kernels.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

// Not a std::vector: its code would be emitted as a shared template built for this instruction set,
// and the linker may then keep that copy for CPUs without it.
class Scratch {
 public:
  explicit Scratch(std::int64_t n)
      : data_(static_cast<float*>(std::calloc(static_cast<std::size_t>(n), sizeof(float)))) {}
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() { return data_; }

 private:
  float* data_;
};

inline float load(float x) { return x; }
inline float load(Bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

inline void store(float* to, float x) { *to = x; }
inline void store(Bf16* to, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  // Round to nearest even. A NaN keeps its upper bits: they are never all zero for the quiet NaN
  // that arithmetic makes.
  to->bits = static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

// e^x to 2 ulp: x = n ln 2 + r, a polynomial for e^r (Cephes expf coefficients), n put into the
// exponent.
inline float exp_fast(float x) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: rounds to an integer in the low bits
  x = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  const float shifted = x * 1.44269504F + kShift;
  const float n = shifted - kShift;
  float r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const auto exponent =
      (std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(kShift) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

inline float sigmoid(float x) { return 1.0F / (1.0F + exp_fast(-x)); }

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
