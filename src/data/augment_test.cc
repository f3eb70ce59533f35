// SPDX-License-Identifier: MIT
#include "data/augment.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace medaug {
namespace {

struct Case {
  const char* caption;
  const char* horizontal;  ///< nullptr = must not be flipped
  const char* vertical;
};

class FlipCaption : public ::testing::TestWithParam<Case> {};

TEST_P(FlipCaption, MirrorsPlacesAndRefusesSidesOfTheBody) {
  const Case& c = GetParam();
  const auto expect = [&](bool horizontal, const char* expected) {
    const auto got = flip_caption(c.caption, horizontal, !horizontal);
    ASSERT_EQ(got.has_value(), expected != nullptr) << c.caption << " -> " << got.value_or("none");
    if (expected != nullptr) {
      EXPECT_EQ(*got, expected);
    }
  };
  expect(true, c.horizontal);
  expect(false, c.vertical);
}

INSTANTIATE_TEST_SUITE_P(
    Captions, FlipCaption,
    ::testing::Values(
        Case{"a lesion in the upper left of the image", "a lesion in the upper right of the image",
             "a lesion in the lower left of the image"},
        Case{"small, the left part of the image", "small, the right part of the image",
             "small, the left part of the image"},
        Case{"seen in the upper part of the image", "seen in the upper part of the image",
             "seen in the lower part of the image"},
        Case{"Upper-left corner, dark", "Upper-right corner, dark", "Lower-left corner, dark"},
        Case{"in the centre of the image", "in the centre of the image",
             "in the centre of the image"},
        Case{"Short-axis view of the left ventricle", nullptr,
             "Short-axis view of the left ventricle"},
        Case{"left breast, lesion in the upper right of the image", nullptr,
             "left breast, lesion in the lower right of the image"},
        Case{"the left upper lobe", nullptr, nullptr},
        Case{"nodule in the left side of the heart", nullptr,
             "nodule in the left side of the heart"},
        Case{"lesion at 3 o'clock", nullptr, nullptr},
        Case{"nasal to the disc", nullptr, "nasal to the disc"},
        Case{"no finding", "no finding", "no finding"}, Case{"", "", ""},
        Case{"病灶位于图像左上方", "病灶位于图像右上方", "病灶位于图像左下方"},
        Case{"右侧可见高密度影", "左侧可见高密度影", "右侧可见高密度影"},
        Case{"左心室短轴", nullptr, "左心室短轴"}, Case{"左上肺结节", nullptr, nullptr},
        Case{"左侧乳腺肿块", nullptr, "左侧乳腺肿块"},
        Case{"the leftmost of three lesions", nullptr, "the leftmost of three lesions"},
        Case{"anterior wall, 3 µm", "anterior wall, 3 µm", nullptr},
        Case{"Läsion im Bild", nullptr, nullptr}, Case{"очаг слева", nullptr, nullptr},
        Case{"lesion ← of the disc", nullptr, nullptr}));

AugmentOptions everything() {
  return {.horizontal_flip = true,
          .vertical_flip = true,
          .probability = 1.0,
          .rotation_deg = 20.0,
          .scale = 0.2,
          .shift = 0.1,
          .brightness = 0.1,
          .contrast = 0.1};
}

RandomStream stream(std::uint64_t draw) { return {7, Purpose::kAugment, draw}; }

TEST(AugmentPair, NothingAllowedChangesNothing) {
  const at::Tensor image = at::rand({3, 9, 8}) * 2.0 - 1.0;
  const at::Tensor mask = at::rand({2, 9, 8});
  const auto out = augment_pair(image, mask, "left part of the image", {}, stream(0));
  EXPECT_TRUE(out.image.equal(image));
  EXPECT_TRUE(out.mask.equal(mask));
  EXPECT_EQ(out.caption, "left part of the image");
  EXPECT_TRUE(out.features.equal(at::zeros({kAugmentFeatures})));
}

TEST(AugmentPair, ImageMaskAndCaptionFlipTogether) {
  const at::Tensor image = at::rand({1, 6, 7});
  const AugmentOptions options{.horizontal_flip = true};
  int flipped = 0;
  for (std::uint64_t draw = 0; draw < 40; ++draw) {
    const auto out = augment_pair(image, image, "left half", options, stream(draw));
    const bool turned = out.caption == "right half";
    flipped += turned ? 1 : 0;
    const at::Tensor expected = turned ? image.flip({2}) : image;
    EXPECT_TRUE(out.image.equal(expected) && out.mask.equal(expected));
  }
  EXPECT_GT(flipped, 8);
  EXPECT_LT(flipped, 32);
  for (std::uint64_t draw = 0; draw < 20; ++draw) {
    const auto out = augment_pair(image, image, "left ventricle", options, stream(draw));
    EXPECT_TRUE(out.image.equal(image));
  }
}

TEST(AugmentPair, SameStreamSameBytesAndRangesHold) {
  const at::Tensor image = at::rand({3, 16, 12}) * 2.0 - 1.0;
  const at::Tensor mask = at::rand({1, 16, 12});
  for (std::uint64_t draw = 0; draw < 10; ++draw) {
    const auto a = augment_pair(image, mask, "x", everything(), stream(draw));
    const auto b = augment_pair(image, mask, "x", everything(), stream(draw));
    EXPECT_TRUE(a.image.equal(b.image) && a.mask.equal(b.mask) && a.features.equal(b.features));
    EXPECT_GE(a.image.min().item<float>(), -1.0F);
    EXPECT_LE(a.image.max().item<float>(), 1.0F);
    EXPECT_GE(a.mask.min().item<float>(), 0.0F);
    EXPECT_LE(a.mask.max().item<float>(), 1.0F);
    EXPECT_GT(a.features.abs().max().item<float>(), 0.0F) << "what was done must be told";
  }
}

TEST(AugmentPair, ImageAndMaskMoveAlike) {
  // A bright square under its own mask must stay under it.
  at::Tensor mask = at::zeros({1, 40, 40});
  mask.slice(1, 12, 26).slice(2, 16, 30).fill_(1.0);
  const at::Tensor image = mask * 2.0 - 1.0;
  AugmentOptions options = everything();
  options.brightness = options.contrast = 0.0;
  for (std::uint64_t draw = 0; draw < 10; ++draw) {
    const auto out = augment_pair(image, mask, "x", options, stream(draw));
    const double difference = ((out.image + 1.0) / 2.0 - out.mask).abs().mean().item<double>();
    EXPECT_LT(difference, 0.01);
  }
}

}  // namespace
}  // namespace medaug
