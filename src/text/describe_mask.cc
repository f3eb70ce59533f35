// SPDX-License-Identifier: MIT
#include "text/describe_mask.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

/// Pixels that touch by side or corner are one part; a stack instead of recursion, a mask may be
/// one long snake.
std::int64_t count_parts(const MaskPlane& plane) {
  std::vector<bool> seen(plane.pixels.size());
  std::vector<std::int64_t> open;
  std::int64_t parts = 0;
  const auto take = [&](std::int64_t x, std::int64_t y) {
    const auto i = static_cast<std::size_t>(y * plane.width + x);
    const bool inside = x >= 0 && y >= 0 && x < plane.width && y < plane.height;
    if (inside && plane.pixels[i] != 0 && !seen[i]) {
      seen[i] = true;
      open.push_back(y * plane.width + x);
    }
  };
  for (std::int64_t start = 0; start < plane.height * plane.width; ++start) {
    take(start % plane.width, start / plane.width);
    parts += open.empty() ? 0 : 1;
    while (!open.empty()) {
      const std::int64_t x = open.back() % plane.width;
      const std::int64_t y = open.back() / plane.width;
      open.pop_back();
      for (std::int64_t neighbour = 0; neighbour < 9; ++neighbour) {
        take(x + neighbour % 3 - 1, y + neighbour / 3 - 1);
      }
    }
  }
  return parts;
}

struct Moments {
  double count = 0.0;
  double x = 0.0;
  double y = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  double xy = 0.0;
};

/// About the centre of mass, in pixels; each pixel is a square, hence the twelfths.
Moments moments_of(const MaskPlane& plane) {
  Moments m;
  for (std::int64_t i = 0; i < plane.height * plane.width; ++i) {
    if (plane.pixels[static_cast<std::size_t>(i)] == 0) {
      continue;
    }
    const double x = static_cast<double>(i % plane.width) + 0.5;
    const double y = static_cast<double>(i / plane.width) + 0.5;
    m.count += 1.0;
    m.x += x;
    m.y += y;
    m.xx += x * x;
    m.yy += y * y;
    m.xy += x * y;
  }
  if (m.count > 0.0) {
    m.x /= m.count;
    m.y /= m.count;
    m.xx = m.xx / m.count - m.x * m.x + 1.0 / 12.0;
    m.yy = m.yy / m.count - m.y * m.y + 1.0 / 12.0;
    m.xy = m.xy / m.count - m.x * m.y;
  }
  return m;
}

}  // namespace

MaskMeasures measure_mask(const MaskPlane& plane) {
  const bool sized = plane.height > 0 && plane.width > 0;
  if (!sized || static_cast<std::int64_t>(plane.pixels.size()) != plane.height * plane.width) {
    throw Error(ErrorCode::kInvalidArgument, "mask",
                "has " + std::to_string(plane.pixels.size()) + " pixels, not " +
                    std::to_string(plane.height) + " x " + std::to_string(plane.width));
  }
  const Moments m = moments_of(plane);
  MaskMeasures measures;
  if (m.count == 0.0) {
    return measures;
  }
  measures.area_share = m.count / static_cast<double>(plane.height * plane.width);
  measures.center_x = m.x / static_cast<double>(plane.width);
  measures.center_y = m.y / static_cast<double>(plane.height);
  // Eigenvalues of the second moments; an ellipse with half axes a, b has a^2/4 and b^2/4.
  const double mean = (m.xx + m.yy) / 2.0;
  const double spread = std::hypot((m.xx - m.yy) / 2.0, m.xy);
  const double large = mean + spread;
  const double small = std::max(mean - spread, 1.0 / 12.0);
  measures.axis_ratio = std::min(1.0, std::sqrt(small / large));
  measures.ellipse_fill = m.count / (4.0 * std::numbers::pi * std::sqrt(small * large));
  measures.parts = count_parts(plane);
  return measures;
}

std::string size_word(double area_share) {
  return area_share < 0.02 ? "small" : area_share < 0.15 ? "medium-sized" : "large";
}

std::string shape_word(const MaskMeasures& measures) {
  if (measures.ellipse_fill < 0.85) {
    return "irregular";
  }
  return measures.axis_ratio > 0.8 ? "round" : measures.axis_ratio > 0.4 ? "oval" : "elongated";
}

std::string place_words(double center_x, double center_y) {
  const auto third = [](double v) { return v < 0.42 ? 0 : v > 0.58 ? 2 : 1; };
  static constexpr const char* kPlaces[3][3] = {
      {"the upper left of the image", "the upper part of the image",
       "the upper right of the image"},
      {"the left part of the image", "the centre of the image", "the right part of the image"},
      {"the lower left of the image", "the lower part of the image",
       "the lower right of the image"}};
  return kPlaces[third(center_y)][third(center_x)];
}

std::string describe_mask(const MaskPlane& plane, std::string_view structure) {
  const MaskMeasures measures = measure_mask(plane);
  std::string text;
  if (measures.parts == 0) {
    return text.append("no ").append(structure);
  }
  const std::string size = size_word(measures.area_share / static_cast<double>(measures.parts));
  if (measures.parts > 1) {  // their common centre may lie in none of them
    text.append(std::to_string(measures.parts)).append(" ").append(size).append(" ");
    return text.append(structure).append("s");
  }
  text.append("a ").append(size).append(" ").append(shape_word(measures)).append(" ");
  text.append(structure).append(" in ");
  return text.append(place_words(measures.center_x, measures.center_y));
}

}  // namespace medaug
