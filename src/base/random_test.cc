// SPDX-License-Identifier: MIT
#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/random_fill.h"
#include "base/sha256.h"

namespace medaug {
namespace {

using Block = std::array<std::uint32_t, 4>;
using internal::fill_normal_blocks;
using internal::philox;

std::vector<float> normals(std::uint64_t seed, std::uint64_t sample, std::size_t count) {
  std::vector<float> values(count);
  RandomStream(seed, Purpose::kNoise, 0, sample).fill_normal(values);
  return values;
}

// Known-answer vectors of Random123 (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t f = 0xffffffff;
  EXPECT_EQ(philox({f, f, f, f}, {f, f}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(FillNormal, FollowsTheFormulaToFloatPrecision) {
  constexpr std::size_t kBlocks = 20000;
  const std::array<std::uint32_t, 2> key{11, 22};
  std::vector<float> values(4 * kBlocks);
  fill_normal_blocks({0, 0, 3, 4}, key, values.data(), kBlocks);
  double worst = 0.0;
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const Block w = philox({i, 0, 3, 4}, key);
    for (std::size_t j = 0; j < 4; j += 2) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - (w[j] >> 8) * 0x1.0p-24));
      const double angle = 2.0 * std::numbers::pi * (w[j + 1] >> 8) * 0x1.0p-24;
      worst = std::max(worst, std::abs(values[4 * i + j] - radius * std::cos(angle)));
      worst = std::max(worst, std::abs(values[4 * i + j + 1] - radius * std::sin(angle)));
    }
  }
  EXPECT_LT(worst, 6e-7);
}

TEST(FillNormal, CarriesIntoTheHighCounterWord) {
  std::array<float, 16> across;
  fill_normal_blocks({0xFFFFFFFE, 0, 7, 8}, {1, 2}, across.data(), 4);
  std::array<float, 8> after;
  fill_normal_blocks({0, 1, 7, 8}, {1, 2}, after.data(), 2);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), across.begin() + 8));
}

// The same bytes on every machine, compiler and instruction set: a change of these breaks "same
// seed, same image".
TEST(FillNormal, KeepsItsBytes) {
  const auto values = normals(42, 7, 100003);
  Sha256 hash;
  hash.update({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  EXPECT_EQ(hash.finish(), "b375bed9bb863ed207c326ca7fbd56c91405c8ea83b4f537f4336398df8fe897");
}

TEST(FillNormal, BeginsAlikeAtAnyLength) {
  const auto all = normals(1, 2, 1000);
  for (const std::size_t count : {1, 3, 4, 5, 255, 256, 257, 999}) {
    const auto part = normals(1, 2, count);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin())) << count;
  }
}

TEST(FillNormal, GoesOnAtTheNextBlock) {
  std::vector<float> parts(8);
  RandomStream stream(5, Purpose::kNoise);
  stream.fill_normal(std::span(parts).first(4));
  stream.fill_normal(std::span(parts).last(4));
  std::vector<float> whole(8);
  RandomStream(5, Purpose::kNoise).fill_normal(whole);
  EXPECT_EQ(parts, whole);
}

TEST(FillNormal, HasTheMomentsOfANormalDistribution) {
  const auto x = normals(3, 0, 1'000'000);
  std::array<double, 5> moment{};
  std::size_t beyond_two = 0;
  for (const double v : x) {
    for (int k = 1; k <= 4; ++k) {
      moment[static_cast<std::size_t>(k)] += std::pow(v, k) / static_cast<double>(x.size());
    }
    beyond_two += std::abs(v) > 2.0 ? 1U : 0U;
  }
  EXPECT_NEAR(moment[1], 0.0, 0.004);
  EXPECT_NEAR(moment[2], 1.0, 0.006);
  EXPECT_NEAR(moment[3], 0.0, 0.012);
  EXPECT_NEAR(moment[4], 3.0, 0.04);
  EXPECT_NEAR(static_cast<double>(beyond_two) / static_cast<double>(x.size()), 0.0455, 0.001);
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  EXPECT_LT(*high, 5.8F);
  EXPECT_GT(*low, -5.8F);
}

TEST(FillNormal, NeighboursAndStreamsAreUncorrelated) {
  const auto x = normals(3, 0, 200'000);
  const auto y = normals(3, 1, 200'000);
  const auto n = static_cast<double>(x.size());
  EXPECT_NEAR(std::inner_product(x.begin(), x.end(), y.begin(), 0.0) / n, 0.0, 0.01);
  EXPECT_NEAR(std::inner_product(x.begin() + 1, x.end(), x.begin(), 0.0) / n, 0.0, 0.01);
}

TEST(RandomStream, IsKeyedByEveryPartOfItsKey) {
  const auto first = [](RandomStream stream) { return stream.next_u64(); };
  std::vector<std::uint64_t> values;
  for (const std::uint64_t seed : {0, 1}) {
    for (const auto purpose : {Purpose::kInit, Purpose::kNoise}) {
      for (const std::uint64_t a : {0, 1}) {
        for (const std::uint64_t b : {0, 1}) {
          values.push_back(first(RandomStream(seed, purpose, a, b)));
        }
      }
    }
  }
  std::sort(values.begin(), values.end());
  EXPECT_EQ(std::adjacent_find(values.begin(), values.end()), values.end());
}

TEST(RandomStream, KeepsItsNumbers) {
  RandomStream stream(42, Purpose::kShuffle, 3, 9);
  EXPECT_EQ(stream.next_u64(), 11979927117526950578ULL);
}

TEST(RandomStream, UniformFillsTheUnitInterval) {
  RandomStream stream(1, Purpose::kTime);
  std::array<int, 10> bins{};
  for (int i = 0; i < 100'000; ++i) {
    const double u = stream.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<std::size_t>(u * 10.0)];
  }
  double chi_square = 0.0;
  for (const int count : bins) {
    chi_square += (count - 10'000.0) * (count - 10'000.0) / 10'000.0;
  }
  EXPECT_LT(chi_square, 27.9);  // 9 degrees of freedom, p = 0.001
}

TEST(RandomStream, BelowStaysBelow) {
  RandomStream stream(1, Purpose::kShuffle);
  std::array<int, 3> counts{};
  for (int i = 0; i < 30'000; ++i) {
    ++counts.at(stream.below(3));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10'000, 350);
  }
  EXPECT_EQ(stream.below(1), 0U);
}

TEST(Permutation, HoldsEachNumberOnce) {
  auto order = permutation(1000, RandomStream(7, Purpose::kShuffle, 1));
  EXPECT_NE(order, permutation(1000, RandomStream(7, Purpose::kShuffle, 2)));
  EXPECT_EQ(order, permutation(1000, RandomStream(7, Purpose::kShuffle, 1)));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
  }
  EXPECT_TRUE(permutation(0, RandomStream(7, Purpose::kShuffle)).empty());
}

}  // namespace
}  // namespace medaug
