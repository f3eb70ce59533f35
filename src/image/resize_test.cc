// SPDX-License-Identifier: MIT
#include "image/resize.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "image/test_files.h"

namespace medaug {
namespace {

using testing::numbers;

/// The picture that the Pillow values below were made from: (37 y² + 91 x + 13 x y) mod 256, 7 x 5.
at::Tensor pattern() {
  std::vector<int> values;
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 7; ++x) {
      values.push_back((37 * y * y + 91 * x + 13 * x * y) % 256);
    }
  }
  return testing::levels(1, 5, 7, values);
}

void expect_within_one(const at::Tensor& got, const std::vector<int>& pillow) {
  const at::Tensor flat = got.flatten();
  ASSERT_EQ(flat.numel(), std::ssize(pillow));
  for (std::size_t i = 0; i < pillow.size(); ++i) {
    EXPECT_NEAR(flat[static_cast<std::int64_t>(i)].item<float>(), pillow[i], 1.0) << "at " << i;
  }
}

// Image.fromarray(a).resize((w, h), Image.BICUBIC) of Pillow 13.
TEST(ResizeBicubic, MatchesPillowWithinOneLevel) {
  const at::Tensor in = pattern();
  expect_within_one(resize_bicubic(in, {2, 3, whole(in)}), {96, 142, 123, 128, 166, 130});
  expect_within_one(resize_bicubic(in, {5, 4, whole(in)}),
                    {46,  119, 100, 112, 88,  189, 135, 105, 80,  136,
                     175, 140, 132, 145, 149, 142, 140, 181, 150, 100});
  expect_within_one(
      resize_bicubic(in, {7, 10, whole(in)}),
      {0,   40,  117, 179, 62,  25,  108, 201, 131, 16,  9,   68,  160, 227, 100, 75,  165, 116,
       98,  103, 66,  82,  135, 221, 164, 148, 179, 94,  100, 145, 156, 66,  20,  120, 221, 203,
       104, 204, 164, 74,  94,  131, 142, 85,  185, 181, 84,  213, 173, 70,  64,  164, 208, 92,
       188, 199, 106, 125, 131, 125, 71,  164, 208, 112, 214, 235, 137, 28,  82,  185});
}

TEST(ResizeBicubic, BoxMatchesPillow) {
  expect_within_one(resize_bicubic(pattern(), {3, 3, {1.0, 0.5, 6.0, 4.5}}),
                    {150, 123, 125, 91, 183, 157, 154, 170, 127});
}

TEST(ResizeBicubic, SameSizeIsIdentityAndFlatStaysFlat) {
  const at::Tensor in = pattern();
  EXPECT_EQ(numbers(resize_bicubic(in, {5, 7, whole(in)})), numbers(in));
  const at::Tensor flat = at::ones({2, 9, 5}) * 77.0;
  EXPECT_LT((resize_bicubic(flat, {4, 13, whole(flat)}) - 77.0).abs().max().item<float>(), 1e-4);
}

TEST(ResizeArea, AveragesWhatEachPixelCovers) {
  const at::Tensor in = testing::levels(1, 1, 3, {0, 6, 12});
  // 1.5 source pixels each: (0 + 6/2) / 1.5 and (6/2 + 12) / 1.5
  const at::Tensor out = resize_area(in, {1, 2, whole(in)});
  EXPECT_FLOAT_EQ(out[0][0][0].item<float>(), 2.0F);
  EXPECT_FLOAT_EQ(out[0][0][1].item<float>(), 10.0F);
}

TEST(ResizeArea, KeepsTheMeanAtAnySize) {
  const at::Tensor in = at::rand({1, 23, 37});
  for (const auto& [h, w] : {std::pair{5, 7}, {64, 64}, {23, 10}, {1, 1}}) {
    const at::Tensor out = resize_area(in, {h, w, whole(in), 0.0F, 1.0F});
    EXPECT_NEAR(out.mean().item<double>(), in.mean().item<double>(), 1e-5) << h << " x " << w;
  }
}

}  // namespace
}  // namespace medaug
