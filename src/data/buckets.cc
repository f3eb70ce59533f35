// SPDX-License-Identifier: MIT
#include "data/buckets.h"

#include <algorithm>

#include "base/random.h"
#include "data/fnv.h"

namespace medaug {
namespace {

constexpr std::int64_t kMostAspect = 4;

/// min over max of the factors by which the sides change: 1 for the same shape.
double closeness(const PictureSize& bucket, double height, double width) {
  const double tall = static_cast<double>(bucket.height) / height;
  const double wide = static_cast<double>(bucket.width) / width;
  return std::min(tall, wide) / std::max(tall, wide);
}

}  // namespace

std::vector<PictureSize> aspect_ratio_buckets(std::int64_t side) {
  // round((side / 16)^2), in whole numbers
  const auto most = (2 * side * side + kBucketUnit * kBucketUnit) / (2 * kBucketUnit * kBucketUnit);
  std::vector<PictureSize> sizes;
  for (std::int64_t width = most, height = 1; width > 0;) {
    if (std::max(width, height) <= kMostAspect * std::min(width, height)) {
      sizes.push_back({height * kBucketUnit, width * kBucketUnit});
    }
    if ((height + 1) * width <= most) {
      ++height;
    } else {
      --width;
    }
  }
  return sizes;
}

std::vector<PictureSize> nearest_buckets(std::int64_t side, std::int64_t height, std::int64_t width,
                                         std::int64_t count) {
  auto sizes = aspect_ratio_buckets(side);
  const auto real_height = static_cast<double>(height), real_width = static_cast<double>(width);
  std::stable_sort(sizes.begin(), sizes.end(), [&](const PictureSize& a, const PictureSize& b) {
    return closeness(a, real_height, real_width) > closeness(b, real_height, real_width);
  });
  sizes.resize(std::min(sizes.size(), static_cast<std::size_t>(count)));
  return sizes;
}

PreprocessOptions sized_for(const PreprocessOptions& options, std::int64_t height,
                            std::int64_t width, const std::string& name) {
  if (!options.buckets) {
    return options;
  }
  const auto near =
      nearest_buckets(options.image_size, height, width, name.empty() ? 1 : options.bucket_choices);
  const auto chosen =
      RandomStream(fnv(kFnvStart, name.data(), name.size()), Purpose::kBucket).below(near.size());
  auto own = options;
  own.buckets = false;
  own.image_size = near[chosen].height;
  own.image_width = near[chosen].width;
  return own;
}

}  // namespace medaug
