// SPDX-License-Identifier: MIT
#include "text/describe_mask.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

constexpr std::int64_t kSide = 100;

/// A square mask from a rule on pixel centres.
class Drawing {
 public:
  explicit Drawing(const std::function<bool(double x, double y)>& inside) {
    for (std::int64_t i = 0; i < kSide * kSide; ++i) {
      const double x = static_cast<double>(i % kSide) + 0.5;
      const double y = static_cast<double>(i / kSide) + 0.5;
      pixels_.push_back(inside(x, y) ? 255 : 0);
    }
  }
  MaskPlane plane() const { return {pixels_, kSide, kSide}; }

 private:
  std::vector<std::uint8_t> pixels_;
};

/// Half axes a (in x) and b.
Drawing ellipse(double center_x, double center_y, double a, double b) {
  return Drawing([=](double x, double y) {
    return std::pow((x - center_x) / a, 2) + std::pow((y - center_y) / b, 2) <= 1.0;
  });
}

TEST(MeasureMask, MatchesTheGeometryOfAnEllipse) {
  const auto drawing = ellipse(30, 60, 20, 10);
  const auto m = measure_mask(drawing.plane());
  EXPECT_NEAR(m.area_share, std::numbers::pi * 20 * 10 / (kSide * kSide), 0.001);
  EXPECT_NEAR(m.center_x, 0.30, 1e-9);
  EXPECT_NEAR(m.center_y, 0.60, 1e-9);
  EXPECT_NEAR(m.axis_ratio, 0.5, 0.01);
  EXPECT_NEAR(m.ellipse_fill, 1.0, 0.01);
  EXPECT_EQ(m.parts, 1);
}

TEST(MeasureMask, CountsPartsThatDoNotTouch) {
  const Drawing two([](double x, double y) { return (x < 10 && y < 10) || (x > 20 && x < 30); });
  EXPECT_EQ(measure_mask(two.plane()).parts, 2);
  const Drawing corners([](double x, double y) {
    return (x < 10 && y < 10) || (x > 10 && x < 20 && y > 10 && y < 20);
  });
  EXPECT_EQ(measure_mask(corners.plane()).parts, 1);
  const Drawing edges([](double x, double /*y*/) { return x < 1 || x > kSide - 1; });
  EXPECT_EQ(measure_mask(edges.plane()).parts, 2);
}

TEST(MeasureMask, OnePixelIsRound) {
  const Drawing pixel([](double x, double y) { return x == 7.5 && y == 3.5; });
  const auto m = measure_mask(pixel.plane());
  EXPECT_DOUBLE_EQ(m.axis_ratio, 1.0);
  EXPECT_DOUBLE_EQ(m.area_share, 1e-4);
}

TEST(MeasureMask, RefusesAWrongSize) {
  const std::vector<std::uint8_t> pixels(6);
  EXPECT_THROW(measure_mask({pixels, 2, 2}), Error);
  EXPECT_THROW(measure_mask({{}, 0, 5}), Error);
}

TEST(PlaceWords, KnowsNinePlaces) {
  EXPECT_EQ(place_words(0.1, 0.1), "the upper left of the image");
  EXPECT_EQ(place_words(0.5, 0.1), "the upper part of the image");
  EXPECT_EQ(place_words(0.9, 0.5), "the right part of the image");
  EXPECT_EQ(place_words(0.5, 0.5), "the centre of the image");
  EXPECT_EQ(place_words(0.9, 0.9), "the lower right of the image");
}

TEST(DescribeMask, TellsSizeShapeAndPlace) {
  EXPECT_EQ(describe_mask(ellipse(20, 20, 6, 6).plane()),
            "a small round lesion in the upper left of the image");
  EXPECT_EQ(describe_mask(ellipse(50, 50, 40, 25).plane(), "tumor"),
            "a large oval tumor in the centre of the image");
  EXPECT_EQ(describe_mask(ellipse(80, 50, 5, 30).plane()),
            "a medium-sized elongated lesion in the right part of the image");
  const Drawing ring([](double x, double y) {
    const double radius = std::hypot(x - 50, y - 70);
    return radius > 15 && radius < 20;
  });
  EXPECT_EQ(describe_mask(ring.plane()),
            "a medium-sized irregular lesion in the lower part of the image");
}

TEST(DescribeMask, TellsNoneAndMany) {
  EXPECT_EQ(describe_mask(Drawing([](double, double) { return false; }).plane()), "no lesion");
  const Drawing dots([](double x, double y) { return std::fmod(x, 30.0) < 5 && y > 40 && y < 45; });
  EXPECT_EQ(describe_mask(dots.plane(), "hemorrhage"), "4 small hemorrhages");
}

}  // namespace
}  // namespace medaug
