// SPDX-License-Identifier: MIT
// Products of bfloat16 pairs on a tile of sixteen-lane registers, and the packing of their factors.
// Part of kernels_avx512bf16.cc alone.

#pragma once

#include <type_traits>

#include "nn/cpu/kernels_math_impl.h"

namespace medaug::nn::cpu::MEDAUG_ISA {
namespace {

using Pair = std::uint32_t;  // two neighbouring bfloat16 of the summed dimension

constexpr std::int64_t padded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// The memory holds bfloat16: only memcpy may read it as pairs.
MEDAUG_INLINE Pair load_pair(const Pair* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof(pair));
  return pair;
}
MEDAUG_INLINE UintLanes load_pairs(const Pair* from) {
  UintLanes v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

/// R x 16 V sums over `pairs` pairs: out[r][j] = sum_k a[r][k] b[k][j], a pair of a at
/// a[r * a_row + k * a_step], those of b for 16 V columns at b[k * b_step].
template <int R, int V>
MEDAUG_INLINE void tile(const Pair* a, std::int64_t a_row, std::int64_t a_step, const Pair* b,
                        std::int64_t b_step, std::int64_t pairs, float* out, std::int64_t out_row) {
  __m512 sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      sums[r][v] = _mm512_setzero_ps();
    }
  }
  for (std::int64_t k = 0; k < pairs; ++k) {
    UintLanes columns[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      columns[v] = load_pairs(b + k * b_step + v * kLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const UintLanes row = load_pair(a + r * a_row + k * a_step) - UintLanes{};
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], std::bit_cast<__m512bh>(row),
                                      std::bit_cast<__m512bh>(columns[v]));
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      store(out + r * out_row + v * kLanes, std::bit_cast<Lanes>(sums[r][v]), Whole{});
    }
  }
}

/// The left factor: a pair stands at data[row * row_step + k * pair_step].
struct Left {
  const Pair* data;
  std::int64_t row_step, pair_step;
  Left from(std::int64_t row) const { return {data + row * row_step, row_step, pair_step}; }
};

/// The right factor, packed: (pairs, columns), columns a multiple of 16.
struct Right {
  const Pair* data;
  std::int64_t columns, pairs;
};

template <int V>
MEDAUG_INLINE void panel(Left a, Right b, std::int64_t column, std::int64_t rows, float* out) {
  std::int64_t r = 0;
  const Pair* const from = b.data + column;
  const auto step = [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    for (; r + kCount <= rows; r += kCount) {
      const Left left = a.from(r);
      tile<kCount, V>(left.data, left.row_step, left.pair_step, from, b.columns, b.pairs,
                      out + r * b.columns + column, b.columns);
    }
  };
  step(std::integral_constant<int, 6>{});
  step(std::integral_constant<int, 2>{});
  step(std::integral_constant<int, 1>{});
}

/// out (rows, b.columns) = a b.
void product(Left a, Right b, std::int64_t rows, float* out) {
  std::int64_t column = 0;
  for (; column + 4 * kLanes <= b.columns; column += 4 * kLanes) {
    panel<4>(a, b, column, rows, out);
  }
  for (; column + 2 * kLanes <= b.columns; column += 2 * kLanes) {
    panel<2>(a, b, column, rows, out);
  }
  for (; column < b.columns; column += kLanes) {
    panel<1>(a, b, column, rows, out);
  }
}

// Blocks of `kWidth` words change places between two rows of a square that is being transposed.
template <int kWidth>
MEDAUG_INLINE void exchange(UintLanes& a, UintLanes& b) {
  UintLanes first, second;
  if constexpr (kWidth == 8) {
    first = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    second =
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  } else if constexpr (kWidth == 4) {
    first = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    second =
        __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  } else if constexpr (kWidth == 2) {
    first = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    second =
        __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  } else {
    first =
        __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    second =
        __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
  a = first;
  b = second;
}

template <int kWidth>
MEDAUG_INLINE void exchange_all(UintLanes (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kWidth) == 0) {
      exchange<kWidth>(rows[i], rows[i + kWidth]);
    }
  }
}

/// Pairs along the columns of x (n, width): (width / 2, padded n), zeros where there is no row.
/// @param stride  elements from one row to the next
Right pack_columns(const Bf16* x, std::int64_t stride, std::int64_t n, std::int64_t width,
                   Pair* out) {
  const std::int64_t columns = padded(n);
  for (std::int64_t first = 0; first < columns; first += kLanes) {
    for (std::int64_t k = 0; k < width / 2; k += kLanes) {
      const std::int64_t words = width / 2 - k < kLanes ? width / 2 - k : kLanes;
      UintLanes square[kLanes];
      for (std::int64_t r = 0; r < kLanes; ++r) {
        square[r] = UintLanes{};
        if (first + r < n) {
          std::memcpy(&square[r], x + (first + r) * stride + 2 * k,
                      sizeof(Pair) * static_cast<std::size_t>(words));
        }
      }
      exchange_all<8>(square);
      exchange_all<4>(square);
      exchange_all<2>(square);
      exchange_all<1>(square);
      for (std::int64_t r = 0; r < words; ++r) {
        std::memcpy(out + (k + r) * columns + first, &square[r], sizeof(square[r]));
      }
    }
  }
  return {out, columns, width / 2};
}

/// Pairs along the rows of x (n, width), width a multiple of 16: (half of n, width).
Right pack_rows(const Bf16* x, std::int64_t stride, std::int64_t n, std::int64_t width, Pair* out) {
  for (std::int64_t row = 0; row < n; row += 2) {
    Pair* const to = out + row / 2 * width;
    for (std::int64_t i = 0; i < width; i += kLanes) {
      HalfLanes even, odd = {};
      std::memcpy(&even, x + row * stride + i, sizeof(even));
      if (row + 1 < n) {
        std::memcpy(&odd, x + (row + 1) * stride + i, sizeof(odd));
      }
      const UintLanes both = __builtin_convertvector(even, UintLanes) |
                             (__builtin_convertvector(odd, UintLanes) << 16);
      std::memcpy(to + i, &both, sizeof(both));
    }
  }
  return {out, width, (n + 1) / 2};
}

}  // namespace
}  // namespace medaug::nn::cpu::MEDAUG_ISA
