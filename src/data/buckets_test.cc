// SPDX-License-Identifier: MIT
#include "data/buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "data/loader.h"
#include "data/pair.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using testing::levels;
using testing::TempFolder;

TEST(Buckets, AreThoseOfLuminaNext) {
  // Counts and fewest tokens of 16 x 16 pixels, from Lumina-Next's own rule.
  struct Expected {
    std::int64_t side, count, fewest;
  };
  for (const auto& [side, count, fewest] :
       {Expected{256, 49, 224}, Expected{512, 97, 952}, Expected{1024, 193, 3955}}) {
    const auto sizes = aspect_ratio_buckets(side);
    EXPECT_EQ(std::ssize(sizes), count) << side;
    std::int64_t least = side * side;
    for (const auto& size : sizes) {
      EXPECT_EQ(size.height % 16, 0);
      EXPECT_EQ(size.width % 16, 0);
      EXPECT_LE(size.height * size.width, side * side);
      least = std::min(least, size.height / 16 * (size.width / 16));
    }
    EXPECT_EQ(least, fewest) << side;
    EXPECT_EQ(sizes.front(), (PictureSize{side / 2, side * 2}));
    EXPECT_EQ(sizes.back(), (PictureSize{side * 2, side / 2}));
    EXPECT_NE(std::find(sizes.begin(), sizes.end(), PictureSize{side, side}), sizes.end());
  }
}

PictureSize bucket_of(std::int64_t side, std::int64_t height, std::int64_t width) {
  PreprocessOptions options;
  options.image_size = side;
  options.buckets = true;
  const auto own = sized_for(options, height, width);
  EXPECT_FALSE(own.buckets);
  return {own.height(), own.width()};
}

TEST(Buckets, APictureGetsTheNearestShape) {
  EXPECT_EQ(bucket_of(512, 3000, 3000), (PictureSize{512, 512}));
  EXPECT_EQ(bucket_of(512, 2592, 3888), (PictureSize{416, 624}));  // a fundus photo, 2 : 3
  EXPECT_EQ(bucket_of(512, 3888, 2592), (PictureSize{624, 416}));
  EXPECT_EQ(bucket_of(512, 100, 10000), (PictureSize{256, 1024}));  // beyond 1 : 4
  PreprocessOptions plain;
  EXPECT_EQ(sized_for(plain, 10, 1000).width(), plain.width());
}

TEST(Buckets, TheNearestStandInUpstreamsOrder) {
  const std::vector<PictureSize> square{{512, 512}, {496, 512}, {512, 496}, {496, 528}};
  EXPECT_EQ(nearest_buckets(512, 3000, 3000, 4), square);
  EXPECT_EQ(std::ssize(nearest_buckets(256, 1, 1, 1000)), 49);
}

TEST(Buckets, APicturesNameChoosesAmongTheNearest) {
  PreprocessOptions options;
  options.image_size = 512;
  options.buckets = true;
  options.bucket_choices = 4;
  const auto near = nearest_buckets(512, 700, 900, 4);
  std::map<std::pair<std::int64_t, std::int64_t>, int> counts;
  for (int i = 0; i < 400; ++i) {
    const auto name = std::to_string(i) + ".png";
    const auto own = sized_for(options, 700, 900, name);
    EXPECT_NE(std::find(near.begin(), near.end(), PictureSize{own.height(), own.width()}),
              near.end());
    EXPECT_EQ(sized_for(options, 700, 900, name).height(), own.height());
    ++counts[{own.height(), own.width()}];
  }
  ASSERT_EQ(counts.size(), 4U);
  for (const auto& [size, count] : counts) {
    EXPECT_GT(count, 70);
    EXPECT_LT(count, 130);
  }
  EXPECT_EQ(sized_for(options, 700, 900).height(), near.front().height) << "without a name";
}

/// Pictures of 32 x 32, 32 x 64 and again 32 x 32, the second with a mask.
std::shared_ptr<const Dataset> three_pictures(const TempFolder& folder,
                                              PreprocessOptions& options) {
  Manifest manifest;
  manifest.path = folder.path() / "set.jsonl";
  for (const std::int64_t width : {32, 64, 32}) {
    Record record;
    record.line = std::ssize(manifest.records) + 1;
    const auto name = std::to_string(record.line);
    const std::vector<int> values(static_cast<std::size_t>(32 * width), 10);
    write_png(record.image_path = folder.path() / (name + ".png"),
              {levels(1, 32, width, values), 8});
    if (width == 64) {
      record.mask_path = folder.path() / (name + "m.png");
      std::vector<int> label(values.size(), 0);
      std::fill_n(label.begin(), 64, 255);  // the first row
      write_png(*record.mask_path, {levels(1, 32, width, label), 8});
    }
    record.caption = "c" + name;
    manifest.records.push_back(record);
  }
  return Dataset::load(manifest, options, 1);
}

TEST(Buckets, PicturesMasksAndBatchesKeepTheirShapes) {
  const TempFolder folder;
  PreprocessOptions options;
  options.image_size = 32;
  options.buckets = true;
  const auto data = three_pictures(folder, options);
  EXPECT_EQ(data->picture_size(0), (PictureSize{32, 32}));
  EXPECT_EQ(data->picture_size(1), (PictureSize{16, 32}));
  EXPECT_EQ(data->image(1).sizes(), (at::IntArrayRef{1, 16, 32}));
  const auto mask = data->mask(1);
  EXPECT_EQ(mask.sizes(), (at::IntArrayRef{1, 16, 32}));
  EXPECT_NEAR(mask[0][0].mean().item<double>(), 0.5, 0.01);  // half of what two rows became
  EXPECT_EQ(mask[0][1].max().item<double>(), 0.0);
  EXPECT_EQ(data->mask(0).sizes(), (at::IntArrayRef{1, 32, 32}));

  Loader loader(data, {.batch_size = 6, .num_workers = 1, .seed = 3});
  const auto batches = loader.next();  // two epochs
  ASSERT_EQ(batches.size(), 2U);
  std::vector<std::int64_t> draws;
  for (const auto& batch : batches) {
    const auto size = data->picture_size(batch.indices.front());
    EXPECT_EQ(batch.images.size(0), std::ssize(batch.draws));
    EXPECT_EQ(batch.images.size(2), size.height);
    EXPECT_EQ(batch.masks.size(3), size.width);
    for (const auto index : batch.indices) {
      EXPECT_EQ(data->picture_size(index), size);
    }
    draws.insert(draws.end(), batch.draws.begin(), batch.draws.end());
  }
  std::sort(draws.begin(), draws.end());
  EXPECT_EQ(draws, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace medaug
