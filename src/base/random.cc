// SPDX-License-Identifier: MIT
#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "base/random_fill.h"

namespace medaug {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): spreads neighbouring keys over all bits.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

constexpr std::uint32_t low32(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high32(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t key = mix(mix(seed) ^ static_cast<std::uint64_t>(purpose));
  const std::uint64_t place = mix(mix(key ^ a) + b);
  key_ = {low32(key), high32(key)};
  counter_ = {0, 0, low32(place), high32(place)};
}

void RandomStream::refill() {
  block_ = internal::philox(counter_, key_);
  if (++counter_[0] == 0) {
    ++counter_[1];
  }
  used_ = 0;
}

std::uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    refill();
  }
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint64_t RandomStream::next_u64() {
  const std::uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double RandomStream::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

std::uint64_t RandomStream::below(std::uint64_t n) {
  const std::uint64_t limit = n * (UINT64_MAX / n);
  std::uint64_t x = next_u64();
  while (x >= limit) {
    x = next_u64();
  }
  return x % n;
}

double RandomStream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

void RandomStream::skip_blocks(std::uint64_t blocks) {
  const std::uint64_t count =
      ((static_cast<std::uint64_t>(counter_[1]) << 32) | counter_[0]) + blocks;
  counter_[0] = low32(count);
  counter_[1] = high32(count);
  used_ = 4;
}

void RandomStream::fill_normal(std::span<float> out) {
  const std::size_t whole = out.size() / 4;
  internal::fill_normal_blocks(counter_, key_, out.data(), whole);
  skip_blocks(whole);
  if (out.size() % 4 != 0) {
    std::array<float, 4> last{};
    internal::fill_normal_blocks(counter_, key_, last.data(), 1);
    std::copy_n(last.begin(), out.size() % 4, out.begin() + static_cast<std::ptrdiff_t>(4 * whole));
    skip_blocks(1);
  }
}

std::vector<std::int64_t> permutation(std::int64_t n, RandomStream stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[stream.below(i)]);
  }
  return order;
}

}  // namespace medaug
