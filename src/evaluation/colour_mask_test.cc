// SPDX-License-Identifier: MIT
#include "evaluation/colour_mask.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace medaug {
namespace {

using Level = std::function<std::int64_t(std::int64_t y, std::int64_t x)>;

/// 7 x 9 pixels of these levels of 8 bits.
Image picture(const std::vector<Level>& channels, int bit_depth = 8) {
  auto pixels = at::empty({std::ssize(channels), 7, 9}, at::kInt);
  for (std::int64_t c = 0; c < pixels.size(0); ++c) {
    for (std::int64_t y = 0; y < 7; ++y) {
      for (std::int64_t x = 0; x < 9; ++x) {
        pixels[c][y][x] = channels[static_cast<std::size_t>(c)](y, x);
      }
    }
  }
  return bit_depth == 16 ? Image{pixels * 257, 16} : Image{pixels.to(at::kByte), 8};
}

Image grey(int bit_depth = 8) {
  return picture(
      {[](auto y, auto x) { return (13 * y * y + 7 * x * y + 29 * x) % 97 + (x > 4 ? 120 : 0); }},
      bit_depth);
}

Image colour(int bit_depth = 8) {
  return picture({[](auto y, auto x) { return (31 * y + 17 * x * y + 5 * x) % 256; },
                  [](auto y, auto x) { return (7 * y * y + 3 * x) % 200; },
                  [](auto y, auto x) { return (11 * x + 2 * y * y * x) % 180; }},
                 bit_depth);
}

std::int64_t inside(const ColourMask& found) { return found.mask.sum().item<std::int64_t>(); }

struct Case {
  ColourRule rule;
  double threshold;  ///< upper edge of the bin whose middle threshold_otsu gives
  std::int64_t inside;
};

// skimage.filters.threshold_otsu (0.26) of the same measure: 0.24076287, 0.61523438, 0.34092750 and
// 0.63926758, the middles of bins of 1/256 of the range; the edge behind that bin is the threshold
// here, so that the bin is not cut in two.
TEST(ColourMask, HasTheThresholdOfScikitImage) {
  for (const auto& one : {Case{ColourRule::kRed, 0.24218750, 24},
                          {ColourRule::kSaturation, 0.61718750, 48},
                          {ColourRule::kBrightness, 0.34234214, 27},
                          {ColourRule::kDarkness, 0.64068222, 36}}) {
    const auto found = colour_mask(colour(), one.rule);
    EXPECT_NEAR(found.threshold, one.threshold, 1e-6);
    EXPECT_EQ(inside(found), one.inside);
    EXPECT_EQ(found.mask.sizes(), at::IntArrayRef({7, 9}));
    EXPECT_EQ(found.mask.scalar_type(), at::kBool);
  }
  EXPECT_NEAR(colour_mask(grey(), ColourRule::kBrightness).threshold, 0.37720588, 1e-6);
  EXPECT_NEAR(colour_mask(grey(), ColourRule::kDarkness).threshold, 0.50036765, 1e-6);
}

TEST(ColourMask, SixteenBitsOfTheSameLevelsGiveTheSame) {
  for (const auto rule : {ColourRule::kRed, ColourRule::kSaturation, ColourRule::kBrightness,
                          ColourRule::kDarkness}) {
    const auto shallow = colour_mask(colour(), rule), deep = colour_mask(colour(16), rule);
    EXPECT_TRUE(shallow.mask.equal(deep.mask));
    EXPECT_NEAR(shallow.threshold, deep.threshold, 1e-6);
  }
}

TEST(ColourMask, FindsTheSpotThatIsThere) {
  auto pixels = at::full({3, 8, 8}, 90, at::kByte);
  const auto spot = [&](int c) { return pixels[c].narrow(0, 2, 3).narrow(1, 4, 2); };
  spot(0).fill_(200);  // red, and brighter
  auto wanted = at::zeros({8, 8}, at::kBool);
  wanted.narrow(0, 2, 3).narrow(1, 4, 2).fill_(true);
  const Image image{pixels, 8};
  for (const auto rule : {ColourRule::kRed, ColourRule::kSaturation, ColourRule::kBrightness}) {
    EXPECT_TRUE(colour_mask(image, rule).mask.equal(wanted));
  }
  EXPECT_TRUE(colour_mask(image, ColourRule::kDarkness).mask.equal(wanted.logical_not()));
}

TEST(ColourMask, OfAnImageWithoutAnyDifferenceIsEmpty) {
  for (const int level : {0, 128, 255}) {
    for (const auto rule : {ColourRule::kRed, ColourRule::kSaturation, ColourRule::kBrightness,
                            ColourRule::kDarkness}) {
      const auto found = colour_mask({at::full({3, 5, 4}, level, at::kByte), 8}, rule);
      EXPECT_EQ(inside(found), 0);
      EXPECT_GE(found.threshold, 0.0);
      EXPECT_LE(found.threshold, 1.0);
    }
  }
  EXPECT_EQ(inside(colour_mask({at::zeros({1, 1, 1}, at::kByte), 8}, ColourRule::kDarkness)), 0);
}

TEST(ColourMask, TwoLevelsOneStepApartAreKeptApart) {
  auto pixels = at::full({1, 4, 4}, 100, at::kByte);
  pixels.narrow(1, 0, 1).fill_(101);
  EXPECT_EQ(inside(colour_mask({pixels, 8}, ColourRule::kBrightness)), 4);
  EXPECT_EQ(inside(colour_mask({pixels, 8}, ColourRule::kDarkness)), 12);
}

TEST(ColourMask, GreyImageHasNoColour) {
  for (const auto rule : {ColourRule::kRed, ColourRule::kSaturation}) {
    try {
      colour_mask(grey(), rule);
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData);
      EXPECT_THAT(e.what(), ::testing::HasSubstr("grey image has no colour"));
      EXPECT_THAT(e.hint(), ::testing::HasSubstr("--structure-method brightness"));
    }
  }
}

}  // namespace
}  // namespace medaug
