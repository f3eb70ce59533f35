// SPDX-License-Identifier: MIT
#include "data/preprocess.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "data/pair.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::levels;
using testing::numbers;

Image grey(std::int64_t height, std::int64_t width, const std::vector<int>& values) {
  return {levels(1, height, width, values), 8};
}

std::vector<int> as_levels(const at::Tensor& unit, int depth = 8) {
  return numbers(from_unit_range(unit, depth).pixels);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return std::string(name_of(e.code())) + ": " + e.what();
  }
  return "no error";
}

PreprocessOptions size(std::int64_t height, std::int64_t width) {
  PreprocessOptions options;
  options.image_size = height;
  options.image_width = width;
  return options;
}

TEST(PreprocessImage, ColourToGreyUsesTheWeightsOfPillow) {
  PreprocessOptions options = size(1, 1);
  options.channels = 1;
  // (255 * 19595 + 0 + 0 + 0x8000) >> 16 = 76
  const Image red{levels(3, 1, 1, {255, 0, 0}), 8};
  EXPECT_THAT(as_levels(preprocess_image(red, options)), ElementsAre(76));
}

TEST(PreprocessImage, GreyIsRepeatedToColour) {
  PreprocessOptions options = size(1, 2);
  options.channels = 3;
  EXPECT_THAT(as_levels(preprocess_image(grey(1, 2, {5, 9}), options)),
              ElementsAre(5, 9, 5, 9, 5, 9));
}

TEST(PreprocessImage, CropTakesTheMiddleAndPadKeepsAll) {
  PreprocessOptions options = size(2, 2);
  const Image wide = grey(2, 4, {1, 2, 3, 4, 5, 6, 7, 8});
  options.fit = Fit::kCrop;
  EXPECT_THAT(as_levels(preprocess_image(wide, options)), ElementsAre(2, 3, 6, 7));
  options = size(4, 4);
  options.fit = Fit::kPad;
  EXPECT_THAT(as_levels(preprocess_image(wide, options)),
              ElementsAre(0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0));
}

TEST(PreprocessImage, ValuesAreWholeLevelsOfTheWantedDepth) {
  PreprocessOptions options = size(3, 3);
  const Image image = grey(2, 2, {0, 90, 180, 255});
  const at::Tensor out = preprocess_image(image, options);
  EXPECT_TRUE(out.equal(to_unit_range(from_unit_range(out, 8)))) << "8-bit levels";
  options.bit_depth = 16;
  const at::Tensor deep = preprocess_image(image, options);
  EXPECT_FALSE(deep.equal(out));
  EXPECT_LT((deep - out).abs().max().item<float>(), 1.0F / 127.0F);
}

TEST(PreprocessMask, OneClassIsStoredAsOneOr255) {  // K19
  const PreprocessOptions options = size(1, 3);
  for (const int value : {1, 255}) {
    EXPECT_THAT(numbers(preprocess_mask(levels(1, 1, 3, {0, value, 0}), options, "m")),
                ElementsAre(0, 1, 0));
  }
}

TEST(PreprocessMask, OnePlanePerDeclaredLabel) {
  PreprocessOptions options = size(1, 3);
  options.mask_classes = 2;
  EXPECT_THAT(numbers(preprocess_mask(levels(1, 1, 3, {2, 0, 1}), options, "m")),
              ElementsAre(0, 0, 1, 1, 0, 0));
  options.mask_labels = {300, 9};  // K07, K13
  EXPECT_THAT(numbers(preprocess_mask(levels(1, 1, 3, {9, 0, 300}, at::kInt), options, "m")),
              ElementsAre(0, 0, 1, 1, 0, 0));
}

TEST(PreprocessMask, ColoursWithinTwoOfTheTable) {  // K03, K41
  PreprocessOptions options = size(1, 3);
  options.mask_classes = 2;
  options.mask_colors = {"#ff0000", "#00ff00"};
  const at::Tensor painted = levels(3, 1, 3, {253, 0, 0, 2, 255, 0, 0, 0, 1});
  EXPECT_THAT(numbers(preprocess_mask(painted, options, "m")), ElementsAre(1, 0, 0, 0, 1, 0));
  const at::Tensor off = levels(3, 1, 3, {250, 0, 0, 0, 255, 0, 0, 0, 0});
  EXPECT_THAT(error_of([&] { preprocess_mask(off, options, "m.png"); }),
              HasSubstr("data: m.png: mask colour #fa0000 at row 0, column 0"));
}

TEST(PreprocessMask, GreyStoredAsRgbIsALabelMap) {
  const PreprocessOptions options = size(1, 2);
  EXPECT_THAT(numbers(preprocess_mask(levels(3, 1, 2, {255, 0, 255, 0, 255, 0}), options, "m")),
              ElementsAre(1, 0));
  EXPECT_THAT(error_of([&] { preprocess_mask(levels(3, 1, 2, {0, 9, 0, 0, 0, 0}), options, "m"); }),
              HasSubstr("first at row 0, column 1"));
}

TEST(PreprocessMask, NamesTheFirstUnknownLabel) {  // K10, K11, K13, K18
  PreprocessOptions options = size(2, 2);
  options.mask_classes = 2;
  const std::string text =
      error_of([&] { preprocess_mask(levels(1, 2, 2, {0, 1, 255, 7}), options, "m.png"); });
  EXPECT_THAT(text, HasSubstr("mask label 255 at row 1, column 0 is not one of 0, 1, 2"));
  EXPECT_THAT(text, HasSubstr("labels in this file: 1, 7, 255"));
  options.mask_classes = 1;
  std::vector<int> soft;
  for (int i = 0; i < 16; ++i) {
    soft.push_back(16 * i);
  }
  EXPECT_THAT(error_of([&] { preprocess_mask(levels(1, 4, 4, soft), options, "m.png"); }),
              HasSubstr("anti-aliased"));
}

TEST(PreprocessMask, WrongOptionsAreConfigErrors) {
  PreprocessOptions options = size(1, 1);
  options.mask_labels = {1, 2};
  EXPECT_THAT(error_of([&] { preprocess_mask(levels(1, 1, 1, {0}), options, "m"); }),
              HasSubstr("config: mask_labels: 2 entries for 1 mask classes"));
  options.mask_labels.clear();
  options.mask_colors = {"red"};
  EXPECT_THAT(error_of([&] { preprocess_mask(levels(3, 1, 1, {0, 0, 0}), options, "m"); }),
              HasSubstr("#rrggbb"));
}

TEST(PreprocessMask, ASinglePixelSurvivesAnyReduction) {  // K16
  at::Tensor one = at::zeros({1, 1024, 1024}, at::kByte);
  one[0][700][33] = 255;
  const at::Tensor out = preprocess_mask(one, size(8, 8), "m");
  EXPECT_GT(out.max().item<float>(), 0.0F);
  EXPECT_EQ(out[0][5][0].item<float>(), out.max().item<float>());
}

TEST(ReadPair, MismatchNamesBothSizesAndTheExifTrap) {  // K21, K22, K24
  const testing::TempFolder folder;
  Record record;
  record.image_path =
      folder.write("a.jpg", testing::with_exif(testing::encoded(".jpg", 24, 16), 6));
  record.mask_path = folder.write(
      "m.png", testing::png({.width = 24, .height = 16, .rows = std::string(25 * 16, '\0')}));
  const std::string text = error_of([&] { read_pair(record, size(8, 8), "train.jsonl:7"); });
  EXPECT_THAT(text, HasSubstr("data: train.jsonl:7: mask"));
  EXPECT_THAT(text, HasSubstr("m.png is 24 x 16 but image"));
  EXPECT_THAT(text, HasSubstr("a.jpg is 16 x 24"));
  EXPECT_THAT(text, HasSubstr("EXIF orientation (6)"));
}

TEST(ReadPair, DamagedFilesAreNamedWithTheirLine) {
  const testing::TempFolder folder;
  Record record;
  record.image_path = folder.write("a.png", "nothing of the kind");
  EXPECT_THAT(
      error_of([&] { read_pair(record, size(8, 8), "train.jsonl:7"); }),
      HasSubstr("train.jsonl:7: image " + record.image_path.string() + ": this is a text file"));
}

}  // namespace
}  // namespace medaug
