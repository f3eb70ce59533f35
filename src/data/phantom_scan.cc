// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/phantom_draw.h"

// A slice through a head: skin, skull, folded cortex, ventricles, and a bright lesion.

namespace medaug::internal {
namespace {

struct Head {
  double width = 0.68;
  double height = 0.86;
  double tilt = 0.0;
  double x = 0.0;
  double y = 0.0;
  double tissue = 0.42;
  double ventricle = 1.0;  ///< relative size
};

Head random_head(RandomStream& patient, RandomStream& stream) {
  Head head;
  head.width = patient.uniform(0.64, 0.74);
  head.height = patient.uniform(0.82, 0.90);
  head.tissue = patient.uniform(0.36, 0.46);
  head.ventricle = patient.uniform(0.75, 1.3);
  head.tilt = stream.uniform(-0.10, 0.10);
  head.x = stream.uniform(-0.03, 0.03);
  head.y = stream.uniform(-0.03, 0.03);
  return head;
}

struct Texture {
  Noise folds;
  Noise warp;
  Noise grain;
  Noise shade;
};

struct Point {
  double x;
  double y;
};

/// Turned and centred, so that the midline is x = 0.
Point in_head(const Head& head, double x, double y) {
  const double dx = x - head.x;
  const double dy = y - head.y;
  return {std::cos(head.tilt) * dx + std::sin(head.tilt) * dy,
          -std::sin(head.tilt) * dx + std::cos(head.tilt) * dy};
}

/// 0 in the middle, 1 at the outline.
double depth_of(const Head& head, Point p) {
  return std::hypot(p.x / head.width, p.y / head.height);
}

double ventricles(const Head& head, Point p) {
  // Two horns that bend outwards, mirrored at the midline.
  const double along = p.y / (0.27 * head.ventricle);
  const double bend = 0.055 + 0.09 * along * along * head.ventricle;
  const double across =
      (std::abs(p.x) - bend) / (0.052 * head.ventricle * (1.15 - 0.35 * std::abs(along)));
  return 1.0 - smoothstep(0.75, 1.15, std::hypot(across, along * 0.95));
}

double tissue_at(const Head& head, const Texture& texture, Point p, double depth) {
  const double wx = p.x + 0.06 * texture.warp(p.x, p.y);
  const double wy = p.y + 0.06 * texture.warp(p.y, p.x);
  // Ridges of the noise are the sulci: dark lines, close to the surface.
  const double ridge = 1.0 - smoothstep(0.0, 0.22, std::abs(texture.folds(wx, wy)));
  const double cortex = smoothstep(0.42, 0.80, depth);
  double value = head.tissue + 0.10 * (1.0 - cortex) + 0.03 * texture.shade(p.x, p.y);
  value -= 0.26 * ridge * cortex;
  value += 0.025 * texture.grain(p.x, p.y);
  const double midline = std::exp(-p.x * p.x / 0.0005) * smoothstep(0.30, 0.45, std::abs(p.y));
  value -= 0.16 * midline;
  return value + (0.09 - value) * ventricles(head, p);
}

double value_at(const Head& head, const Texture& texture, Point p) {
  const double depth = depth_of(head, p);
  const double air = 0.015 + 0.006 * texture.grain(p.y, p.x);
  if (depth > 1.02) {
    return air;
  }
  const double brain = tissue_at(head, texture, p, depth / 0.86);
  const double fluid = smoothstep(0.84, 0.875, depth);
  double value = brain + (0.10 - brain) * fluid;
  const double skull = smoothstep(0.88, 0.90, depth) * (1.0 - smoothstep(0.935, 0.95, depth));
  value += (0.05 - value) * skull;
  const double skin = smoothstep(0.94, 0.955, depth);
  value += (0.74 + 0.05 * texture.shade(p.y, p.x) - value) * skin;
  return value + (air - value) * smoothstep(0.985, 1.005, depth);
}

void draw_lesion(Drawing& drawing, const Head& head, RandomStream& stream) {
  if (drawing.grade == 0) {
    return;
  }
  static constexpr double kRadius[] = {0.0, 0.085, 0.15, 0.22};
  const double radius = kRadius[drawing.grade] * stream.uniform(0.85, 1.15);
  const double reach = 0.72 - radius;
  const double r = reach * std::sqrt(stream.uniform(0.08, 1.0));
  const double a = stream.uniform(0.0, 2.0 * std::numbers::pi);
  const Blob blob = random_blob(stream, head.x + r * head.width * std::cos(a),
                                head.y + r * head.height * std::sin(a), radius, 0.14);
  cover(drawing.lesions[0], blob, 5.0 / static_cast<double>(drawing.colours[0].side()));
}

}  // namespace

Drawing draw_scan(std::int64_t side, RandomStream patient, RandomStream stream) {
  Drawing drawing{{Plane(side)}, {Plane(side)}, 0};
  drawing.grade = static_cast<std::int64_t>(stream.below(4));
  const Head head = random_head(patient, stream);
  const Texture texture{Noise(stream, 7, 2), Noise(stream, 5, 2), Noise(stream, 40, 2),
                        Noise(stream, 3, 2)};
  draw_lesion(drawing, head, stream);
  const double peak = stream.uniform(0.78, 0.92);
  const bool dark_core = drawing.grade == 3 && stream.chance(0.5);
  Plane& out = drawing.colours[0];
  for (std::int64_t j = 0; j < side; ++j) {
    for (std::int64_t i = 0; i < side; ++i) {
      const Point p = in_head(head, out.coordinate(i), out.coordinate(j));
      double value = value_at(head, texture, p);
      const auto lesion = static_cast<double>(drawing.lesions[0].at(j, i));
      const double core = dark_core ? 0.18 * std::abs(texture.shade(p.x * 1.7, p.y * 1.7)) : 0.0;
      value += lesion * (peak - core + 0.05 * texture.folds(p.y, p.x) - value);
      out.at(j, i) = static_cast<float>(std::clamp(value, 0.0, 1.0));
    }
  }
  return drawing;
}

}  // namespace medaug::internal
