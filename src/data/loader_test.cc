// SPDX-License-Identifier: MIT
#include "data/loader.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"
#include "data/manifest.h"
#include "data/pair.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;

/// A manifest of `count` pictures, all different; every third has no mask.
Manifest write_set(const TempFolder& folder, int count, int channels = 1) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_png(folder.path() / name,
              {testing::levels(channels, 1, 2,
                               std::vector<int>(static_cast<std::size_t>(2 * channels), 10 * i)),
               8});
    folder.write("m" + name,
                 testing::png({.width = 2, .height = 1, .rows = testing::bytes({0, 1, 0})}));
    lines += R"({"image_path": ")" + name + R"(", "caption": "c)" + std::to_string(i) +
             R"(", "mask_path": )" + (i % 3 == 2 ? "null" : "\"m" + name + "\"") + "}\n";
  }
  return read_manifest(folder.write("set.jsonl", lines));
}

PreprocessOptions small() {
  PreprocessOptions options;
  options.image_size = 8;
  return options;
}

TEST(Dataset, SettlesChannelsAndGivesWhatPreprocessingGives) {
  const TempFolder folder;
  const Manifest manifest = write_set(folder, 5);
  PreprocessOptions options = small();
  const auto data = Dataset::load(manifest, options, 2);
  EXPECT_EQ(options.channels, 1);
  EXPECT_EQ(options.bit_depth, 8);
  for (std::int64_t i = 0; i < data->size(); ++i) {
    const Pair pair = read_pair(data->record(i), options, "x");
    EXPECT_TRUE(data->image(i).equal(pair.image));
    EXPECT_TRUE(data->mask(i).equal(pair.mask));
    EXPECT_EQ(data->has_mask(i), i % 3 != 2);
  }
}

TEST(Dataset, MixedKindsBecomeColourAndSixteenBit) {
  const TempFolder folder;
  Manifest manifest = write_set(folder, 2);
  write_png(folder.path() / "1.png",
            {testing::levels(3, 1, 2, {1, 2, 30000, 4, 5, 65535}, at::kInt), 16});
  PreprocessOptions options = small();
  const auto data = Dataset::load(manifest, options, 2);
  EXPECT_EQ(options.channels, 3);
  EXPECT_EQ(options.bit_depth, 16);
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(data->image(i).equal(read_pair(data->record(i), options, "x").image)) << i;
  }
}

TEST(Dataset, BadRecordsAreRefusedOrSkippedAndTheHashKnowsTheContent) {
  const TempFolder folder;
  const Manifest manifest = write_set(folder, 10);
  PreprocessOptions options = small();
  const auto whole = Dataset::load(manifest, options, 1);
  EXPECT_EQ(whole->content_hash(), Dataset::load(manifest, options, 2)->content_hash());
  folder.write("4.png", "broken");
  try {
    Dataset::load(manifest, options, 2);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("set.jsonl:5"));
  }
  const auto rest = Dataset::load(manifest, options, 2, 0.1);
  EXPECT_EQ(rest->size(), 9);
  EXPECT_NE(rest->content_hash(), whole->content_hash());
  EXPECT_EQ(rest->record(4).caption, "c5");
}

std::shared_ptr<const Dataset> dataset(const TempFolder& folder, int count) {
  PreprocessOptions options = small();
  return Dataset::load(write_set(folder, count), options, 2);
}

/// Index, caption, picture sum and features of draws 0 .. n - 1.
std::vector<std::string> first_draws(const std::shared_ptr<const Dataset>& data,
                                     LoaderOptions options, std::int64_t n,
                                     std::int64_t first = 0) {
  options.augment = {
      .horizontal_flip = true, .probability = 0.7, .rotation_deg = 15.0, .brightness = 0.2};
  Loader loader(data, options, first);
  std::vector<std::string> out;
  while (std::ssize(out) < n) {
    const Batch batch = loader.next().front();
    for (std::int64_t i = 0; i < options.batch_size && std::ssize(out) < n; ++i) {
      EXPECT_EQ(batch.draws[static_cast<std::size_t>(i)], first + std::ssize(out));
      out.push_back(std::to_string(batch.indices[static_cast<std::size_t>(i)]) + " " +
                    batch.captions[static_cast<std::size_t>(i)] + " " +
                    std::to_string(batch.images[i].sum().item<double>()) + " " +
                    std::to_string(batch.augment[i].sum().item<double>()) + " " +
                    std::to_string(batch.mask_present[i].item<float>()));
    }
  }
  return out;
}

TEST(Loader, DrawsDoNotDependOnWorkersOrBatchSize) {
  const TempFolder folder;
  const auto data = dataset(folder, 7);
  const auto expected = first_draws(data, {.batch_size = 4, .num_workers = 0, .seed = 5}, 30);
  for (const int workers : {0, 1, 2, 3}) {
    for (const std::int64_t batch : {1, 3, 4, 16}) {
      EXPECT_EQ(first_draws(data, {.batch_size = batch, .num_workers = workers, .seed = 5}, 30),
                expected)
          << workers << " workers, batches of " << batch;
    }
  }
  EXPECT_NE(first_draws(data, {.batch_size = 4, .num_workers = 0, .seed = 6}, 30), expected);
}

TEST(Loader, ResumesAtAnyDraw) {
  const TempFolder folder;
  const auto data = dataset(folder, 7);
  const LoaderOptions options{.batch_size = 4, .num_workers = 2, .seed = 5};
  const auto all = first_draws(data, options, 40);
  const std::vector<std::string> tail(all.begin() + 13, all.end());
  EXPECT_EQ(first_draws(data, options, 27, 13), tail);
}

TEST(Loader, EachEpochIsAPermutation) {
  const TempFolder folder;
  const auto data = dataset(folder, 7);
  Loader loader(data, {.batch_size = 7, .num_workers = 1, .seed = 1});
  std::vector<std::int64_t> last;
  for (int epoch = 0; epoch < 4; ++epoch) {
    const Batch batch = loader.next().front();
    EXPECT_EQ(std::set<std::int64_t>(batch.indices.begin(), batch.indices.end()).size(), 7U);
    EXPECT_NE(batch.indices, last);
    last = batch.indices;
    EXPECT_EQ(batch.images.sizes(), (at::IntArrayRef{7, 1, 8, 8}));
    EXPECT_EQ(batch.masks.sizes(), (at::IntArrayRef{7, 1, 8, 8}));
    EXPECT_EQ(batch.augment.sizes(), (at::IntArrayRef{7, kAugmentFeatures}));
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(batch.mask_present[static_cast<std::int64_t>(i)].item<float>(),
                batch.indices[i] % 3 == 2 ? 0.0F : 1.0F);
    }
  }
  EXPECT_GE(loader.waited_seconds(), 0.0);
}

TEST(Loader, MayBeDroppedWhileItWorksAndRefusesNonsense) {
  const TempFolder folder;
  const auto data = dataset(folder, 3);
  for (int i = 0; i < 20; ++i) {
    Loader loader(data, {.batch_size = 8, .num_workers = 3});
    if (i % 2 == 0) {
      loader.next();
    }
  }
  EXPECT_THROW(Loader(data, {.batch_size = 0}), Error);
  EXPECT_THROW(Loader(data, {}, -1), Error);
}

TEST(Dataset, ReadsTheRealSets) {
  const char* shared = std::getenv("MEDAUG_SHARED");
  const std::filesystem::path root =
      std::filesystem::path(shared == nullptr ? "" : shared) / "data";
  if (!std::filesystem::exists(root / "brain_mri")) {
    GTEST_SKIP() << "no real data at " << root;
  }
  PreprocessOptions options;
  Manifest manifest = read_manifest(root / "brain_mri" / "val.jsonl");
  manifest.records.resize(40);
  const auto data = Dataset::load(manifest, options, 2);
  EXPECT_EQ(options.channels, 1);
  EXPECT_EQ(data->size(), 40);
  EXPECT_GT(data->mask(0).sum().item<double>(), 0.0);
}

}  // namespace
}  // namespace medaug
