// SPDX-License-Identifier: MIT
#include "image/image.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "image/codec.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using testing::TempFolder;
using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ReadImage : public ::testing::Test {
 protected:
  Image read(const std::string& name, const std::string& bytes) const {
    return read_image(folder_.write(name, bytes));
  }
  at::Tensor mask(const std::string& name, const std::string& bytes) const {
    return read_mask_levels(folder_.write(name, bytes));
  }
  TempFolder folder_;
};

// Rows of PNG samples with filter 0.
std::string rows(std::size_t width, const std::string& samples) {
  std::string out;
  for (std::size_t i = 0; i < samples.size(); i += width) {
    out += std::string(1, '\0') + samples.substr(i, width);
  }
  return out;
}

TEST_F(ReadImage, GreyPngStaysOneChannel) {
  const Image image = read("a.png", png({.rows = rows(2, bytes({1, 2, 3, 250}))}));
  EXPECT_EQ(image.channels(), 1);
  EXPECT_THAT(numbers(image.pixels), ElementsAre(1, 2, 3, 250));
}

TEST_F(ReadImage, SixteenBitsKeepTheirRange) {
  const Image image = read("a.png", png({.width = 2,
                                         .height = 1,
                                         .bit_depth = 16,
                                         .rows = rows(4, bytes({0x01, 0x02, 0xFF, 0xFF}))}));
  EXPECT_EQ(image.bit_depth, 16);
  EXPECT_THAT(numbers(image.pixels), ElementsAre(0x0102, 65535));
}

TEST_F(ReadImage, RgbIsPlanarRedFirst) {
  const Image image = read(
      "a.png",
      png({.width = 2, .height = 1, .color_type = 2, .rows = rows(6, bytes({1, 2, 3, 4, 5, 6}))}));
  EXPECT_THAT(numbers(image.pixels), ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST_F(ReadImage, AlphaIsComposedOnBlack) {
  // 200 * 128 / 255 = 100.4
  const Image image = read(
      "a.png",
      png({.width = 2, .height = 1, .color_type = 4, .rows = rows(4, bytes({200, 128, 77, 255}))}));
  EXPECT_THAT(numbers(image.pixels), ElementsAre(100, 77));
}

TEST_F(ReadImage, PaletteBecomesColoursOrGrey) {
  const std::string colours = png_chunk("PLTE", bytes({9, 8, 7, 10, 20, 30}));
  const std::string greys = png_chunk("PLTE", bytes({9, 9, 9, 30, 30, 30}));
  const PngParts parts{
      .width = 2, .height = 1, .color_type = 3, .before = colours, .rows = rows(2, bytes({1, 0}))};
  EXPECT_THAT(numbers(read("c.png", png(parts)).pixels), ElementsAre(10, 9, 20, 8, 30, 7));
  PngParts grey = parts;
  grey.before = greys;
  EXPECT_THAT(numbers(read("g.png", png(grey)).pixels), ElementsAre(30, 9));
}

TEST_F(ReadImage, OneBitAndInterlacedPng) {
  const PngParts bits{.width = 4, .height = 1, .bit_depth = 1, .rows = rows(1, bytes({0xA0}))};
  EXPECT_THAT(numbers(read("b.png", png(bits)).pixels), ElementsAre(255, 0, 255, 0));
  // Adam7 of 2 x 2: pass 1 has pixel (0,0), pass 6 has (0,1), pass 7 the second row.
  const PngParts adam{.interlace = 1, .rows = bytes({0, 5, 0, 6, 0, 7, 8})};
  EXPECT_THAT(numbers(read("i.png", png(adam)).pixels), ElementsAre(5, 6, 7, 8));
}

TEST_F(ReadImage, BombsInTextChunksAreSkipped) {
  std::string text;
  for (int i = 0; i < 10000; ++i) {
    text += png_chunk("tEXt", std::string("k\0v", 3));
  }
  text += png_chunk("zTXt", std::string("k\0\0", 3) + deflated(std::string(1 << 20, 'x')));
  text += png_chunk("iCCP", std::string("p\0\0", 3) + deflated(std::string(1 << 20, 'x')));
  EXPECT_EQ(read("t.png", png({.before = text})).width(), 2);
}

TEST_F(ReadImage, ExifOrientationTurnsJpegAndPng) {
  const std::string plain = encoded(".jpg", 24, 16);
  const Image upright = read("a.jpg", plain);
  const Image turned = read("b.jpg", with_exif(plain, 6));
  EXPECT_EQ(turned.height(), 24);
  EXPECT_EQ(turned.width(), 16);
  EXPECT_EQ(turned.orientation, 6);
  // 6: what is stored as the left column is shown as the top row, mirrored.
  EXPECT_EQ(turned.pixels[0][0][15].item<int>(), upright.pixels[0][0][0].item<int>());
  EXPECT_EQ(turned.pixels[0][0][0].item<int>(), upright.pixels[0][15][0].item<int>());
  const at::Tensor mask_levels = mask("m.png", png({.width = 3,
                                                    .height = 1,
                                                    .before = png_chunk("eXIf", exif_block(6)),
                                                    .rows = rows(3, bytes({1, 0, 2}))}));
  EXPECT_EQ(mask_levels.size(1), 3);
  EXPECT_THAT(numbers(mask_levels), ElementsAre(1, 0, 2));
}

TEST(ApplyOrientation, MatchesTheEightCasesOfTheStandard) {
  const at::Tensor in = levels(1, 2, 3, {1, 2, 3, 4, 5, 6});
  const std::vector<std::vector<int>> expected = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int o = 1; o <= 8; ++o) {
    EXPECT_EQ(numbers(internal::apply_orientation(in, o)),
              expected[static_cast<std::size_t>(o - 1)])
        << "orientation " << o;
  }
}

TEST_F(ReadImage, ProgressiveAndGreyJpeg) {
  EXPECT_EQ(read("p.jpg", encoded(".jpg", 20, 20, 3, {cv::IMWRITE_JPEG_PROGRESSIVE, 1})).channels(),
            3);
  EXPECT_EQ(read("g.jpg", encoded(".jpg", 20, 20, 1)).channels(), 1);
}

TEST_F(ReadImage, TiffGreyInBothDepthsAndBothPolarities) {
  EXPECT_THAT(numbers(read("a.tif", tiff(tiff_grey(2, 1, 8), bytes({7, 9}))).pixels),
              ElementsAre(7, 9));
  auto white_is_zero = tiff_grey(2, 1, 16);
  white_is_zero[4].value = 0;
  const Image deep = read("b.tif", tiff(white_is_zero, bytes({0, 1, 0xFF, 0xFF})));
  EXPECT_EQ(deep.bit_depth, 16);
  EXPECT_THAT(numbers(deep.pixels), ElementsAre(65535 - 256, 0));
}

TEST_F(ReadImage, TiffOrientationIsAppliedOnce) {
  auto entries = tiff_grey(3, 1, 8);
  entries.push_back({274, 3, 8});
  const Image image = read("o.tif", tiff(entries, bytes({1, 2, 3})));
  EXPECT_EQ(image.height(), 3);
  EXPECT_THAT(numbers(image.pixels), ElementsAre(3, 2, 1));
}

TEST_F(ReadImage, BmpTopDownIsNotUpsideDown) {
  std::string bmp = encoded(".bmp", 4, 2, 3);
  const Image up = read("a.bmp", bmp);
  bmp.replace(22, 4, little32(-2));
  const Image down = read("b.bmp", bmp);
  EXPECT_EQ(numbers(down.pixels), numbers(up.pixels.flip({1})));
}

TEST_F(ReadImage, LimitIsInclusive) {
  const auto path = folder_.write("a.png", png({}));
  EXPECT_NO_THROW(read_image(path, {.max_pixels = 4}));
  EXPECT_THROW(read_image(path, {.max_pixels = 3}), Error);
}

TEST_F(ReadImage, PaletteMaskGivesIndices) {
  const PngParts parts{.width = 3,
                       .height = 1,
                       .color_type = 3,
                       .before = png_chunk("PLTE", bytes({9, 8, 7, 1, 2, 3, 4, 5, 6})),
                       .rows = rows(3, bytes({2, 0, 1}))};
  const at::Tensor found = mask("m.png", png(parts));
  EXPECT_EQ(found.scalar_type(), at::kInt);
  EXPECT_THAT(numbers(found), ElementsAre(2, 0, 1));
}

TEST_F(ReadImage, MaskKeepsStoredNumbers) {
  const PngParts bits{.width = 4, .height = 1, .bit_depth = 1, .rows = rows(1, bytes({0xA0}))};
  EXPECT_THAT(numbers(mask("b.png", png(bits))), ElementsAre(1, 0, 1, 0));
  const PngParts deep{.width = 1, .height = 1, .bit_depth = 16, .rows = rows(2, bytes({1, 44}))};
  EXPECT_THAT(numbers(mask("d.png", png(deep))), ElementsAre(300));
  // K52, K55: gamma and transparency say nothing about labels.
  const PngParts extra{
      .width = 2,
      .height = 1,
      .before = png_chunk("gAMA", big_endian(1)) + png_chunk("tRNS", bytes({0, 3})),
      .rows = rows(2, bytes({3, 1}))};
  EXPECT_THAT(numbers(mask("e.png", png(extra))), ElementsAre(3, 1));
}

TEST_F(ReadImage, FaintAlphaOfAnEraserIsBackground) {
  const PngParts parts{.width = 2,
                       .height = 1,
                       .color_type = 6,
                       .rows = rows(8, bytes({255, 0, 0, 1, 255, 0, 0, 255}))};
  EXPECT_THAT(numbers(mask("m.png", png(parts))), ElementsAre(0, 255, 0, 0, 0, 0));
}

TEST_F(ReadImage, RefusesMasksThatCannotBeLabels) {
  const auto expect = [&](const std::string& name, const std::string& content, const char* text) {
    try {
      mask(name, content);
      ADD_FAILURE() << name << " was read";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData);
      EXPECT_THAT(e.what(), HasSubstr(text));
    }
  };
  expect("k02.jpg", encoded(".jpg", 8, 8), "JPEG file cannot hold a mask");
  expect("k04.png",
         png({.width = 2, .height = 1, .color_type = 4, .rows = rows(4, bytes({0, 0, 0, 255}))}),
         "in the alpha channel only");
  expect("k08.tif", tiff(tiff_grey(1, 1, 32, 3), bytes({0, 0, 0, 0})), "32-bit float");
  expect("k30.nii", std::string(344, '\1') + std::string("n+1\0", 4), "NIfTI");
  expect("k31.png", dicom(), "DICOM");
  expect("k51.jpg", png({}), "rename it");
  expect("k56.png", changed(png({}), 43, '\x55'), "checksum");
}

TEST(WritePng, KeepsPixelsDepthAndText) {
  const TempFolder folder;
  const auto path = folder.path() / "out.png";
  const Image deep{levels(3, 1, 2, {0, 1, 255, 256, 65534, 65535}, at::kInt), 16};
  write_png(path, deep, {{"seed", "7"}, {"Comment", "合成 image"}});
  const Image back = read_image(path);
  EXPECT_EQ(back.bit_depth, 16);
  EXPECT_EQ(numbers(back.pixels), numbers(deep.pixels));
  const auto text = read_png_text(path);
  EXPECT_EQ(text.at("seed"), "7");
  EXPECT_EQ(text.at("Comment"), "合成 image");
  write_png(path, Image{levels(1, 2, 2, {1, 2, 3, 4}), 8});
  EXPECT_THAT(numbers(read_image(path).pixels), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(read_png_text(path).empty());
}

TEST(UnitRange, EndsAreMinusOneAndOneAndEachLevelComesBack) {
  std::vector<int> all(256);
  for (int i = 0; i < 256; ++i) {
    all[static_cast<std::size_t>(i)] = i;
  }
  const Image image{levels(1, 16, 16, all), 8};
  const at::Tensor unit = to_unit_range(image);
  EXPECT_EQ(unit.min().item<float>(), -1.0F);
  EXPECT_EQ(unit.max().item<float>(), 1.0F);
  EXPECT_EQ(numbers(from_unit_range(unit, 8).pixels), all);
  const Image deep{levels(1, 1, 3, {0, 32768, 65535}, at::kInt), 16};
  EXPECT_THAT(numbers(from_unit_range(to_unit_range(deep), 16).pixels),
              ElementsAre(0, 32768, 65535));
  EXPECT_THAT(numbers(from_unit_range(unit * 3.0, 8).pixels.flatten().slice(0, 0, 2)),
              ElementsAre(0, 0));
}

TEST(DecodeImage, OfBytesIsThatOfTheFile) {
  const auto image = Image{at::randint(0, 255, {3, 5, 7}, at::kByte), 8};
  const auto bytes = encode_png(image, {{"seed", "7"}});
  EXPECT_TRUE(at::equal(decode_image(bytes, "upload").pixels, image.pixels));
  EXPECT_EQ(text_of_png(bytes, "upload").at("seed"), "7");
  EXPECT_FALSE(decode_opacity(bytes, "upload").defined());
  EXPECT_THROW(decode_image(bytes.substr(0, 40), "upload"), Error);
  EXPECT_THROW(decode_image(bytes, "upload", {.max_pixels = 34}), Error);
}

TEST(DecodeMaskLevels, OfBytesKeepsTheNumbers) {
  const auto labels = at::randint(0, 3, {1, 4, 6}, at::kByte);
  EXPECT_TRUE(
      at::equal(decode_mask_levels(encode_png({labels, 8}), "upload"), labels.to(at::kInt)));
}

}  // namespace
}  // namespace medaug
