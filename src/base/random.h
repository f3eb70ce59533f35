// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace medaug {

/// What a random stream is for. The number is part of every seed: never renumber.
enum class Purpose : std::uint32_t {
  kInit = 1,         ///< initial weights
  kShuffle = 2,      ///< order of the samples in an epoch
  kNoise = 3,        ///< x0 of a training sample
  kTime = 4,         ///< t of a training sample
  kDrop = 5,         ///< caption, mask and class drop
  kAugment = 6,      ///< geometric and intensity augmentation
  kSampling = 7,     ///< x0 of a generated image
  kMaskWarp = 8,     ///< transformed masks of `augment`
  kPhantom = 9,      ///< procedural data
  kValidation = 10,  ///< noise and times of the validation loss
  kBootstrap = 11,
  kPlantedCopies = 12,  ///< changed training images that the copy audit is tried on
  kFewLabelled = 13,    ///< which images an experiment keeps
  kAdapterDrop = 14,    ///< inputs of adapters that a step leaves out
  kRounding = 15,       ///< optimiser state in bfloat16
  kBucket = 16,         ///< size of a picture among the nearest
};

/// Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3", 2011). A stream is a value keyed by (seed, purpose, a, b), typically a = step or
/// epoch, b = sample index: what one stream gives does not depend on any other draw, thread or
/// batch. Not thread-safe; make one where it is needed.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint64_t b = 0);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  /// in [0, 1), 53 bits
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// in [0, n), unbiased; n > 0
  std::uint64_t below(std::uint64_t n);
  bool chance(double probability) { return uniform() < probability; }
  double normal();
  /// Standard normal numbers, float32: what is left of the current block of four words is dropped,
  /// then block i gives out[4i .. 4i+3] (formula in `random_fill.h`), the rest of the last block is
  /// dropped too. The same bits on every machine; a longer span begins with what a shorter one
  /// gives.
  void fill_normal(std::span<float> out);

 private:
  void refill();
  void skip_blocks(std::uint64_t blocks);

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  double spare_normal_ = 0.0;
  bool has_spare_ = false;
};

/// A permutation of 0..n-1 (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t n, RandomStream stream);

}  // namespace medaug
