// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/preprocess.h"
#include "data/sample.h"

namespace medaug {

/// Decoded and preprocessed pictures of a manifest, in memory: uint8 (or int16 for 16-bit sources)
/// images, uint8 mask planes. Filled by `threads` threads; immutable afterwards, so any thread may
/// read it.
class Dataset {
 public:
  /// Settles channels and bit depth in `options` when they are 0 (3 if any picture is in colour; 16
  /// if any is 16-bit).
  /// @throws Error kData with file and line; bad records up to `max_bad_fraction` are skipped,
  /// counted and logged
  static std::shared_ptr<const Dataset> load(const Manifest& manifest, PreprocessOptions& options,
                                             int threads, double max_bad_fraction = 0.0);
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;
  virtual const Record& record(std::int64_t index) const = 0;
  virtual at::Tensor image(std::int64_t index) const = 0;  ///< (C, H, W) float32 in [-1, 1]
  virtual at::Tensor mask(
      std::int64_t index) const = 0;  ///< (K, H, W) float32 in [0, 1]; zeros when absent
  virtual bool has_mask(std::int64_t index) const = 0;
  virtual PictureSize picture_size(std::int64_t index) const {
    const auto sizes = image(index);
    return {sizes.size(1), sizes.size(2)};
  }
  virtual std::uint64_t content_hash() const = 0;  ///< of pixels, masks and captions
};

/// Places in `indices`, those of pictures of one size together, in the order in which the sizes are
/// met.
std::vector<std::vector<std::size_t>> places_by_size(const Dataset& data,
                                                     const std::vector<std::int64_t>& indices);

/// Pictures of one size.
struct Batch {
  at::Tensor images;                  ///< (N, C, H, W) float32 in [-1, 1]
  at::Tensor masks;                   ///< (N, K, H, W) float32 in [0, 1]
  at::Tensor mask_present;            ///< (N) float32, 0 or 1
  at::Tensor augment;                 ///< (N, kAugmentFeatures)
  std::vector<std::string> captions;  ///< N
  std::vector<std::int64_t> indices;  ///< N, in the data set
  std::vector<std::int64_t>
      draws;  ///< N, running number of the sample since the start: keys every random stream
};

struct LoaderOptions {
  std::int64_t batch_size = 32;
  int num_workers = 1;  ///< 0 = in the caller's thread
  std::uint64_t seed = 0;
  AugmentOptions augment = {};
};

/// Endless shuffled batches, prefetched by worker threads. Sample number n since the start (`draw`)
/// is element n mod size of the permutation of epoch n / size, whatever the batch size or worker
/// count, so a run resumes at any sample. Not thread-safe for the caller.
class Loader {
 public:
  Loader(std::shared_ptr<const Dataset> data, const LoaderOptions& options,
         std::int64_t first_draw = 0);
  ~Loader();

  /// batch_size pictures: one batch, or with buckets one for each size among them, in the order in
  /// which the sizes are met.
  std::vector<Batch> next();
  /// Seconds the caller has waited in `next()` so far.
  double waited_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace medaug
