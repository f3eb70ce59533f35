// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace medaug::internal {

/// Philox4x32-10, one block.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

/// Standard normal float32 numbers from the blocks counter, counter + 1, ... (64-bit count in words
/// 0 and 1): block i with the words w gives out[4i .. 4i+3] as two Box-Muller pairs,
///   u = 1 - (w[2j] >> 8) / 2^24,  angle = 2 pi (w[2j+1] >> 8) / 2^24,
///   out[2j] = sqrt(-2 ln u) cos(angle),  out[2j+1] = sqrt(-2 ln u) sin(angle).
/// Logarithm, sine and cosine are polynomials in single precision of our own, each operation
/// rounded on its own (no fused multiply-add): the same bits on every machine.
void fill_normal_blocks(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                        float* out, std::size_t blocks);

}  // namespace medaug::internal
