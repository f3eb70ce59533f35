// SPDX-License-Identifier: MIT
#include "data/phantom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "data/check.h"
#include "data/manifest.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using testing::TempFolder;

PhantomOptions options_of(PhantomKind kind) {
  return {.count = 24, .size = 48, .seed = 3, .kind = kind};
}

class PhantomSet : public ::testing::TestWithParam<PhantomKind> {};

TEST_P(PhantomSet, PassesTheCheckAndIsSplitByPatient) {
  const TempFolder folder;
  const PhantomSummary summary = write_phantom(folder.path(), options_of(GetParam()));
  EXPECT_EQ(summary.train + summary.val + summary.test, 24);
  EXPECT_GT(summary.val, 0);
  EXPECT_GT(summary.test, 0);
  CheckOptions strict;
  strict.infer_classes = false;
  strict.preprocess.mask_classes = std::ssize(summary.class_names);
  strict.preprocess.image_size = 48;
  const DataReport report = check_data(
      {folder.path() / "train.jsonl", folder.path() / "val.jsonl", folder.path() / "test.jsonl"},
      strict);
  EXPECT_TRUE(report.ok()) << to_text(report);
  const bool colour = GetParam() == PhantomKind::kFundus;
  EXPECT_EQ(report.manifests[0].kinds.begin()->first, colour ? "colour 8-bit" : "grey 8-bit");
  EXPECT_EQ(report.manifests[0].classes.size(), summary.class_names.size());
}

TEST_P(PhantomSet, SameSeedSameBytesOtherSeedOthers) {
  const TempFolder a;
  const TempFolder b;
  write_phantom(a.path(), options_of(GetParam()));
  write_phantom(b.path(), options_of(GetParam()));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(a.path())) {
    if (entry.is_regular_file()) {
      const auto other = b.path() / std::filesystem::relative(entry.path(), a.path());
      EXPECT_EQ(sha256_file(entry.path()), sha256_file(other)) << entry.path();
    }
  }
  PhantomOptions changed = options_of(GetParam());
  const auto before = make_phantom(changed, 5);
  changed.seed = 4;
  EXPECT_FALSE(before.image.pixels.equal(make_phantom(changed, 5).image.pixels));
}

TEST_P(PhantomSet, CaptionsSayWhatTheMaskShows) {
  const PhantomOptions options = options_of(GetParam());
  for (std::int64_t i = 0; i < 20; ++i) {
    const Phantom phantom = make_phantom(options, i);
    const bool empty = phantom.levels.sum().item<std::int64_t>() == 0;
    EXPECT_EQ(empty, phantom.caption.find("no lesion") != std::string::npos) << phantom.caption;
    EXPECT_EQ(empty, phantom.label == 0);
    EXPECT_EQ(phantom.group, make_phantom(options, i ^ 1).group);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, PhantomSet,
                         ::testing::Values(PhantomKind::kFundus, PhantomKind::kScan));

TEST(Phantom, RefusesSizesOutOfRange) {
  const TempFolder folder;
  EXPECT_THROW(write_phantom(folder.path(), {.size = 8}), Error);
  EXPECT_THROW(write_phantom(folder.path(), {.count = 0}), Error);
}

}  // namespace
}  // namespace medaug
