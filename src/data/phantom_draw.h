// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "data/phantom.h"

// What the phantoms are drawn with. Coordinates are in [-1, 1], x to the right, y down.

namespace medaug::internal {

/// A side x side plane of floats.
class Plane {
 public:
  explicit Plane(std::int64_t side) : side_(side), values_(static_cast<std::size_t>(side * side)) {}

  std::int64_t side() const { return side_; }
  float& at(std::int64_t y, std::int64_t x) {
    return values_[static_cast<std::size_t>(y * side_ + x)];
  }
  float at(std::int64_t y, std::int64_t x) const {
    return values_[static_cast<std::size_t>(y * side_ + x)];
  }
  /// Coordinate of the middle of a pixel.
  double coordinate(std::int64_t i) const {
    return (2.0 * static_cast<double>(i) + 1.0) / static_cast<double>(side_) - 1.0;
  }

 private:
  std::int64_t side_;
  std::vector<float> values_;
};

/// Smooth random field: octaves of interpolated lattice noise, roughly in [-1, 1].
class Noise {
 public:
  Noise(RandomStream& stream, int cells, int octaves);
  double operator()(double x, double y) const;

 private:
  struct Octave {
    int cells;
    std::vector<float> lattice;
  };
  std::vector<Octave> octaves_;
};

/// A closed curve with a wavy radius.
struct Blob {
  double x = 0.0;
  double y = 0.0;
  double radius = 0.1;
  double aspect = 1.0;  ///< width over height, before turning
  double angle = 0.0;
  double waves[3] = {};
  double phases[3] = {};

  /// Below 0 inside, above outside, in units of the coordinate.
  double distance(double px, double py) const;
};
Blob random_blob(RandomStream& stream, double x, double y, double radius, double roughness);

/// 0 .. 1 from `from` to `to`.
double smoothstep(double from, double to, double value);

/// Draws the blob's coverage (0..1, edge as wide as `softness`) into the plane, keeping the larger
/// value.
void cover(Plane& plane, const Blob& blob, double softness);

/// Draws a round dot of soft edge.
void dot(Plane& plane, double x, double y, double radius);

/// Each plane halved by averaging 2 x 2.
Plane halve(const Plane& plane);

/// One picture in the making: colour planes in [0, 1] and coverage per lesion class, at twice the
/// final side.
struct Drawing {
  std::vector<Plane> colours;
  std::vector<Plane> lesions;
  std::int64_t grade = 0;
};

Drawing draw_fundus(std::int64_t side, RandomStream patient, RandomStream stream);
Drawing draw_scan(std::int64_t side, RandomStream patient, RandomStream stream);

}  // namespace medaug::internal
