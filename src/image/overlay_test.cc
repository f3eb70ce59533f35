// SPDX-License-Identifier: MIT
#include "image/overlay.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "image/test_files.h"

namespace medaug {
namespace {

Image flat(std::int64_t channels, std::int64_t height, std::int64_t width, int level) {
  return {at::full({channels, height, width}, level, at::kByte), 8};
}

TEST(Overlay, OutlineHasTheClassColourAndTheRestStays) {
  at::Tensor planes = at::zeros({1, 5, 5});
  planes.slice(1, 1, 4).slice(2, 1, 4).fill_(1.0);
  const Image out = overlay_mask(flat(1, 5, 5, 100), planes, {.tint = 0.5});
  const auto color = class_color(0);
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(out.pixels[c][1][1].item<int>(), color[static_cast<std::size_t>(c)]);
    EXPECT_EQ(out.pixels[c][0][0].item<int>(), 100);
    EXPECT_NEAR(out.pixels[c][2][2].item<int>(), (100 + color[static_cast<std::size_t>(c)]) / 2, 1);
  }
}

TEST(Overlay, RefusesAMaskOfAnotherSize) {
  EXPECT_THROW(overlay_mask(flat(1, 5, 5, 0), at::zeros({1, 4, 5})), Error);
}

TEST(ToDisplay, SpreadsSixteenBitsOverTheirOwnRange) {
  const Image deep{testing::levels(1, 1, 3, {100, 300, 500}, at::kInt), 16};
  EXPECT_EQ(testing::numbers(to_display(deep).pixels.slice(0, 0, 1)),
            (std::vector<int>{0, 128, 255}));
}

TEST(ContactSheet, HoldsAllPicturesAndIsDeterministic) {
  std::vector<SheetCell> cells;
  for (int i = 0; i < 5; ++i) {
    cells.push_back({flat(i % 2 == 0 ? 1 : 3, 16, 12, 40 * i + 50),
                     "a long caption that has to be wrapped, 中文 " + std::to_string(i)});
  }
  const Image sheet = contact_sheet(cells, {.columns = 3, .cell_size = 64, .title = "title"});
  EXPECT_EQ(sheet.channels(), 3);
  EXPECT_GT(sheet.width(), 3 * 48);
  EXPECT_EQ(testing::numbers(sheet.pixels),
            testing::numbers(
                contact_sheet(cells, {.columns = 3, .cell_size = 64, .title = "title"}).pixels));
  EXPECT_THROW(contact_sheet({}), Error);
}

}  // namespace
}  // namespace medaug
