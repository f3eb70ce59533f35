// SPDX-License-Identifier: MIT
// Compiled with -ffp-contract=off (CMakeLists.txt). The loops are written so that the compiler
// makes vectors of them.
#include "base/random_fill.h"

#include <algorithm>
#include <bit>
#include <cmath>

#if defined(__GNUC__)
#define MEDAUG_INLINE [[gnu::always_inline]] inline
#else
#define MEDAUG_INLINE inline
#endif

namespace medaug::internal {
namespace {

constexpr std::size_t kLanes = 64;  // blocks worked on together
using Words = std::array<std::uint32_t, kLanes>;
using Floats = std::array<float, kLanes>;

MEDAUG_INLINE std::uint32_t high_product(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}

MEDAUG_INLINE void philox_lanes(std::array<Words, 4>& c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint32_t c0 = c[0][i];
      const std::uint32_t c2 = c[2][i];
      c[0][i] = high_product(0xCD9E8D57U, c2) ^ c[1][i] ^ key[0];
      c[1][i] = 0xCD9E8D57U * c2;
      c[2][i] = high_product(0xD2511F53U, c0) ^ c[3][i] ^ key[1];
      c[3][i] = 0xD2511F53U * c0;
    }
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
}

/// ln x for x in (0, 1], to 1 ulp (coefficients of Cephes logf, S. Moshier).
MEDAUG_INLINE float log_of(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  // Splits x = 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const std::int32_t exponent = (bits - 0x3F3504F3) >> 23;
  const float m = std::bit_cast<float>(bits - (exponent << 23)) - 1.0F;
  const auto e = static_cast<float>(exponent);
  const float square = m * m;
  float p = 7.0376836292e-2F;
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  const float tail = p * m * square - 2.12194440e-4F * e - 0.5F * square;
  return (m + tail) + 0.693359375F * e;
}

/// Two normal numbers of two words.
MEDAUG_INLINE void box_muller(std::uint32_t w0, std::uint32_t w1, float& first, float& second) {
  const auto k = static_cast<std::int32_t>(w0 >> 8);
  const float u =
      static_cast<float>(0x1000000 - k) * 0x1.0p-24F;  // in (0, 1]: the logarithm is finite
  const float radius = std::sqrt(-2.0F * log_of(u));
  // The turn as a quadrant and an angle in [-pi/4, pi/4]; exact, because it is done in integers.
  const auto turn = static_cast<std::int32_t>(w1 >> 8);
  const std::int32_t quadrant = (turn + (1 << 21)) >> 22;
  const float angle = static_cast<float>(turn - (quadrant << 22)) * (1.57079632679F * 0x1.0p-22F);
  const float z = angle * angle;
  float s = -1.9515295891e-4F;
  s = s * z + 8.3321608736e-3F;
  s = s * z - 1.6666654611e-1F;
  s = s * z * angle + angle;
  float c = 2.443315711809948e-5F;
  c = c * z - 1.388731625493765e-3F;
  c = c * z + 4.166664568298827e-2F;
  c = c * z * z - 0.5F * z + 1.0F;
  const std::int32_t sine = std::bit_cast<std::int32_t>(s);
  const std::int32_t cosine = std::bit_cast<std::int32_t>(c);
  const std::int32_t swapped = (sine ^ cosine) & -(quadrant & 1);  // without a branch
  // cos is negative in quadrants 1 and 2, sin in 2 and 3.
  const std::int32_t cosine_sign = ((quadrant + 1) & 2) << 30;
  const std::int32_t sine_sign = (quadrant & 2) << 30;
  first = radius * std::bit_cast<float>(cosine ^ swapped ^ cosine_sign);
  second = radius * std::bit_cast<float>(sine ^ swapped ^ sine_sign);
}

MEDAUG_INLINE void fill_lanes(std::array<std::uint32_t, 4> counter,
                              std::array<std::uint32_t, 2> key, float* out) {
  alignas(64) std::array<Words, 4> words;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::uint32_t low = counter[0] + static_cast<std::uint32_t>(i);
    words[0][i] = low;
    words[1][i] = counter[1] + (low < counter[0] ? 1U : 0U);
    words[2][i] = counter[2];
    words[3][i] = counter[3];
  }
  philox_lanes(words, key);
  alignas(64) std::array<Floats, 4> values;
  for (std::size_t i = 0; i < kLanes; ++i) {
    box_muller(words[0][i], words[1][i], values[0][i], values[1][i]);
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    box_muller(words[2][i], words[3][i], values[2][i], values[3][i]);
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    out[4 * i] = values[0][i];
    out[4 * i + 1] = values[1][i];
    out[4 * i + 2] = values[2][i];
    out[4 * i + 3] = values[3][i];
  }
}

void fill_portable(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                   float* out) {
  fill_lanes(counter, key, out);
}

#if defined(__x86_64__) && defined(__GNUC__)
#if defined(__clang__)
#define MEDAUG_AVX512 "avx512f,avx512dq,avx512vl,avx512bw"
#else
#define MEDAUG_AVX512 "avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512"
#endif

__attribute__((target("avx2"))) void fill_avx2(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key, float* out) {
  fill_lanes(counter, key, out);
}

__attribute__((target(MEDAUG_AVX512))) void fill_avx512(std::array<std::uint32_t, 4> counter,
                                                        std::array<std::uint32_t, 2> key,
                                                        float* out) {
  fill_lanes(counter, key, out);
}
#endif

using Fill = void (*)(std::array<std::uint32_t, 4>, std::array<std::uint32_t, 2>, float*);

Fill best_fill() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw")) {
    return fill_avx512;
  }
  if (__builtin_cpu_supports("avx2")) {
    return fill_avx2;
  }
#endif
  return fill_portable;
}

void advance(std::array<std::uint32_t, 4>& counter, std::size_t blocks) {
  const std::uint64_t count =
      ((static_cast<std::uint64_t>(counter[1]) << 32) | counter[0]) + blocks;
  counter[0] = static_cast<std::uint32_t>(count);
  counter[1] = static_cast<std::uint32_t>(count >> 32);
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    c = {high_product(0xCD9E8D57U, c[2]) ^ c[1] ^ k[0], 0xCD9E8D57U * c[2],
         high_product(0xD2511F53U, c[0]) ^ c[3] ^ k[1], 0xD2511F53U * c[0]};
    k[0] += 0x9E3779B9U;
    k[1] += 0xBB67AE85U;
  }
  return c;
}

void fill_normal_blocks(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                        float* out, std::size_t blocks) {
  static const Fill fill = best_fill();
  for (; blocks >= kLanes; blocks -= kLanes, out += 4 * kLanes) {
    fill(counter, key, out);
    advance(counter, kLanes);
  }
  if (blocks > 0) {
    std::array<float, 4 * kLanes> rest;
    fill(counter, key, rest.data());
    std::copy_n(rest.data(), 4 * blocks, out);
  }
}

}  // namespace medaug::internal
