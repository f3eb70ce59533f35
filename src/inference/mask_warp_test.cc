// SPDX-License-Identifier: MIT
#include "inference/mask_warp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace medaug {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::array<MaskTransform, 3> kAll{MaskTransform::kAffine, MaskTransform::kElastic,
                                            MaskTransform::kMove};

/// (1, 32, 32) with a filled square.
at::Tensor square(std::int64_t top, std::int64_t left, std::int64_t side) {
  auto planes = at::zeros({1, 32, 32}, at::kFloat);
  planes.slice(1, top, top + side).slice(2, left, left + side).fill_(1.0);
  return planes;
}

RandomStream stream(std::uint64_t number) { return {5, Purpose::kMaskWarp, number}; }

const std::array<MaskCenter, 3> kPlaces{{{0.1, 0.1}, {0.9, 0.9}, {0.5, 0.2}}};

TEST(CenterOf, IsTheCentreOfMassAndNoneForAnEmptyMask) {
  const auto center = center_of(square(0, 16, 8));
  ASSERT_TRUE(center);
  EXPECT_NEAR(center->x, 20.0 / 32.0, 1e-6);
  EXPECT_NEAR(center->y, 4.0 / 32.0, 1e-6);
  EXPECT_FALSE(center_of(at::zeros({2, 8, 8})));
}

TEST(WarpMask, NeverLosesAClassAndNeverLeavesTheRange) {
  for (const auto transform : kAll) {
    for (std::uint64_t n = 0; n < 40; ++n) {
      const auto before = square(0, 0, 3);  // in the corner: a plain shift would push it out
      const auto after = warp_mask(before, transform, kPlaces, stream(n));
      EXPECT_GE(after.sum().item<double>(), 0.4 * before.sum().item<double>());
      EXPECT_GE(after.min().item<double>(), 0.0);
      EXPECT_LE(after.max().item<double>(), 1.0);
    }
  }
}

TEST(WarpMask, SameStreamSameMaskAndOtherStreamAnotherOne) {
  const auto before = square(10, 10, 9);
  for (const auto transform : kAll) {
    const auto one = warp_mask(before, transform, kPlaces, stream(1));
    EXPECT_TRUE(one.equal(warp_mask(before, transform, kPlaces, stream(1))));
    EXPECT_FALSE(one.equal(before));
  }
  EXPECT_FALSE(warp_mask(before, MaskTransform::kAffine, kPlaces, stream(1))
                   .equal(warp_mask(before, MaskTransform::kAffine, kPlaces, stream(2))));
}

TEST(WarpMask, MoveKeepsEveryPixelOfTheShape) {
  const auto before = square(12, 12, 5);
  for (std::uint64_t n = 0; n < 10; ++n) {
    const auto after = warp_mask(before, MaskTransform::kMove, kPlaces, stream(n));
    EXPECT_DOUBLE_EQ(after.sum().item<double>(), 25.0);
  }
}

TEST(WarpMask, LeavesAnEmptyMaskAndTheWholeImageAlone) {
  const auto empty = at::zeros({1, 16, 16}, at::kFloat);
  EXPECT_TRUE(warp_mask(empty, MaskTransform::kElastic, kPlaces, stream(0)).equal(empty));
  const auto full = empty + 1.0;
  EXPECT_TRUE(warp_mask(full, MaskTransform::kMove, kPlaces, stream(0)).equal(full));
}

TEST(WarpCaption, PutsThePlaceRight) {
  const auto text = warp_caption("Scan with a lesion in the upper left of the image, grade 2",
                                 square(2, 2, 8), square(22, 22, 8));
  EXPECT_EQ(text, "Scan with a lesion in the lower right of the image, grade 2");
}

TEST(WarpCaption, PutsSizeShapeAndShareRight) {
  const auto text = warp_caption("An image: small round lesion covering 1.6% of the image",
                                 square(4, 4, 4), square(4, 4, 16));
  EXPECT_THAT(text, HasSubstr("large round"));
  EXPECT_THAT(text, HasSubstr("25% of the image"));
}

TEST(WarpCaption, ReplacesAPlaceThatWasNeverTrueAndMendsTheArticle) {
  EXPECT_THAT(
      warp_caption("seen in the left part of the image", square(2, 2, 8), square(22, 22, 8)),
      HasSubstr("the lower right of the image"));
  auto bar = at::zeros({1, 32, 32}, at::kFloat);
  bar.slice(1, 4, 20).slice(2, 4, 13).fill_(1.0);
  EXPECT_THAT(warp_caption("a round lesion", square(4, 4, 8), bar), HasSubstr("an oval lesion"));
}

TEST(WarpCaption, LeavesSidesOfTheBodyAndUnchangedMasksAlone) {
  const auto before = square(2, 2, 8);
  EXPECT_EQ(warp_caption("the left lung", before, square(22, 22, 8)), "the left lung");
  EXPECT_EQ(warp_caption("in the upper left of the image", before, before),
            "in the upper left of the image");
}

TEST(WarpCaption, GivesEachClassItsOwnPlace) {
  const auto planes = [](const at::Tensor& a, const at::Tensor& b) {
    auto out = at::zeros({2, 32, 32}, at::kFloat);
    out[0].copy_(a[0]);
    out[1].copy_(b[0]);
    return out;
  };
  const auto text = warp_caption(
      "bright in the upper left of the image and dark in the upper left of the image",
      planes(square(2, 2, 6), square(3, 3, 6)), planes(square(2, 24, 6), square(24, 2, 6)));
  EXPECT_EQ(text, "bright in the upper right of the image and dark in the lower left of the image");
}

}  // namespace
}  // namespace medaug
