// SPDX-License-Identifier: MIT
// Sixteen numbers at a time: loads, stores, sums and elementary functions of the CPU kernels. Part
// of kernels_impl.h, which includes it once for each instruction set. The vectors are GCC's and
// Clang's; the compiler splits them where registers are narrower.

#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "nn/cpu/kernels.h"

#define MEDAUG_INLINE inline __attribute__((always_inline))

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

constexpr std::int64_t kLanes = 16;
using Lanes = float __attribute__((vector_size(64)));
using UintLanes = std::uint32_t __attribute__((vector_size(64)));
using HalfLanes = std::uint16_t __attribute__((vector_size(32)));

/// How many of the sixteen count: all of them, or the rest of a row.
struct Whole {};
struct Part {
  std::int64_t count;
};

/// f(i, Whole) for each full vector of n elements, then f(i, Part) for what is left.
template <class F>
MEDAUG_INLINE void for_lanes(std::int64_t n, F&& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    f(i, Whole{});
  }
  if (i < n) {
    f(i, Part{n - i});
  }
}

// Not a std::vector: its code would be emitted as a shared template built for this instruction set,
// and the linker may then keep that copy for CPUs without it.
class Scratch {
 public:
  /// Zeros, n of them and as many more as fill the last vector.
  explicit Scratch(std::int64_t n)
      : data_(
            static_cast<float*>(std::calloc(static_cast<std::size_t>(n + kLanes), sizeof(float)))) {
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() { return data_; }

 private:
  float* data_;
};

MEDAUG_INLINE Lanes splat(float x) { return x - Lanes{}; }

MEDAUG_INLINE Lanes load(const float* from, Whole) {
  Lanes v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
MEDAUG_INLINE Lanes load(const Bf16* from, Whole) {
  HalfLanes half;
  std::memcpy(&half, from, sizeof(half));
  return std::bit_cast<Lanes>(__builtin_convertvector(half, UintLanes) << 16);
}
#ifdef __AVX512F__
MEDAUG_INLINE __mmask16 mask_of(Part part) {
  return static_cast<__mmask16>((1U << part.count) - 1U);
}
/// Zeros beyond the count.
MEDAUG_INLINE Lanes load(const float* from, Part part) {
  return std::bit_cast<Lanes>(_mm512_maskz_loadu_ps(mask_of(part), from));
}
MEDAUG_INLINE Lanes load(const Bf16* from, Part part) {
  const auto half = std::bit_cast<HalfLanes>(_mm256_maskz_loadu_epi16(mask_of(part), from));
  return std::bit_cast<Lanes>(__builtin_convertvector(half, UintLanes) << 16);
}
#else
/// Zeros beyond the count.
template <class T>
MEDAUG_INLINE Lanes load(const T* from, Part part) {
  T all[kLanes] = {};
  std::memcpy(all, from, sizeof(T) * static_cast<std::size_t>(part.count));
  return load(all, Whole{});
}
#endif

MEDAUG_INLINE void store(float* to, Lanes v, Whole) { std::memcpy(to, &v, sizeof(v)); }
/// Rounds to nearest even; not-a-number stays so.
MEDAUG_INLINE void store(Bf16* to, Lanes v, Whole) {
#ifdef __AVX512BF16__
  const auto half = _mm512_cvtneps_pbh(std::bit_cast<__m512>(v));
#else
  // A NaN keeps its upper bits: they are never all zero for the quiet NaN that arithmetic makes.
  const auto bits = std::bit_cast<UintLanes>(v);
  const auto half =
      __builtin_convertvector((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16, HalfLanes);
#endif
  std::memcpy(to, &half, sizeof(half));
}
template <class T>
MEDAUG_INLINE void store(T* to, Lanes v, Part part) {
  T all[kLanes];
  store(all, v, Whole{});
  std::memcpy(to, all, sizeof(T) * static_cast<std::size_t>(part.count));
}

/// Lanes beyond the count become `fill`.
MEDAUG_INLINE Lanes keep(Lanes v, Whole, float = 0.0F) { return v; }
MEDAUG_INLINE Lanes keep(Lanes v, Part part, float fill = 0.0F) {
#ifdef __AVX512F__
  return std::bit_cast<Lanes>(_mm512_mask_mov_ps(std::bit_cast<__m512>(splat(fill)), mask_of(part),
                                                 std::bit_cast<__m512>(v)));
#else
  for (std::int64_t i = part.count; i < kLanes; ++i) {
    v[i] = fill;
  }
  return v;
#endif
}

// Half on half: the same order of additions for every instruction set.
MEDAUG_INLINE float sum(Lanes v) {
  const auto a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                 __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto b =
      __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  const auto c = __builtin_shufflevector(b, b, 0, 1) + __builtin_shufflevector(b, b, 2, 3);
  return c[0] + c[1];
}
MEDAUG_INLINE Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
MEDAUG_INLINE float largest(Lanes v) {
  v = larger(v,
             __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = larger(v,
             __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  v = larger(v,
             __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  return v[0] > v[1] ? v[0] : v[1];
}

// e^x to 2 ulp: x = n ln 2 + r, a polynomial for e^r (Cephes expf coefficients), n put into the
// exponent.
MEDAUG_INLINE Lanes exp(Lanes x) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: rounds to an integer in the low bits
  x = x < -87.0F ? splat(-87.0F) : x;
  x = x > 88.0F ? splat(88.0F) : x;
  const Lanes shifted = x * 1.44269504F + kShift;
  const Lanes n = shifted - kShift;
  Lanes r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  Lanes p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + (r + 1.0F);
  const auto exponent =
      (std::bit_cast<UintLanes>(shifted) - std::bit_cast<std::uint32_t>(kShift) + 127U) << 23;
  return p * std::bit_cast<Lanes>(exponent);
}

MEDAUG_INLINE Lanes sigmoid(Lanes x) { return 1.0F / (1.0F + exp(-x)); }

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
