// SPDX-License-Identifier: MIT
#include "data/phantom_draw.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medaug::internal {
namespace {

double lattice_value(const std::vector<float>& lattice, int cells, double x, double y) {
  const double u = std::clamp((x + 1.0) / 2.0, 0.0, 1.0) * cells;
  const double v = std::clamp((y + 1.0) / 2.0, 0.0, 1.0) * cells;
  const int i = std::min(static_cast<int>(u), cells - 1);
  const int j = std::min(static_cast<int>(v), cells - 1);
  const double a = smoothstep(0.0, 1.0, u - i);
  const double b = smoothstep(0.0, 1.0, v - j);
  const auto node = [&](int dj, int di) {
    return static_cast<double>(lattice[static_cast<std::size_t>((j + dj) * (cells + 1) + i + di)]);
  };
  return (1 - b) * ((1 - a) * node(0, 0) + a * node(0, 1)) +
         b * ((1 - a) * node(1, 0) + a * node(1, 1));
}

/// Pixels whose middles can lie within [low, high] of an axis.
struct Span {
  std::int64_t begin;
  std::int64_t end;
};

Span span(const Plane& plane, double low, double high) {
  const auto side = static_cast<double>(plane.side());
  const auto pixel = [&](double c) {
    return static_cast<std::int64_t>(std::floor((c + 1.0) / 2.0 * side));
  };
  return {std::clamp<std::int64_t>(pixel(low) - 1, 0, plane.side()),
          std::clamp<std::int64_t>(pixel(high) + 2, 0, plane.side())};
}

}  // namespace

double smoothstep(double from, double to, double value) {
  const double t = std::clamp((value - from) / (to - from), 0.0, 1.0);
  return t * t * (3.0 - 2.0 * t);
}

Noise::Noise(RandomStream& stream, int cells, int octaves) {
  for (int o = 0; o < octaves; ++o, cells *= 2) {
    Octave octave{cells, std::vector<float>(static_cast<std::size_t>((cells + 1) * (cells + 1)))};
    for (float& v : octave.lattice) {
      v = static_cast<float>(stream.uniform(-1.0, 1.0));
    }
    octaves_.push_back(std::move(octave));
  }
}

double Noise::operator()(double x, double y) const {
  double sum = 0.0;
  double weight = 1.0;
  for (const auto& octave : octaves_) {
    sum += weight * lattice_value(octave.lattice, octave.cells, x, y);
    weight *= 0.5;
  }
  return sum;
}

double Blob::distance(double px, double py) const {
  const double dx = px - x;
  const double dy = py - y;
  const double u = (std::cos(angle) * dx + std::sin(angle) * dy) / std::sqrt(aspect);
  const double v = (-std::sin(angle) * dx + std::cos(angle) * dy) * std::sqrt(aspect);
  const double theta = std::atan2(v, u);
  double edge = 1.0;
  for (int k = 0; k < 3; ++k) {
    edge += waves[k] * std::cos((k + 2) * theta + phases[k]);
  }
  return std::hypot(u, v) - radius * edge;
}

Blob random_blob(RandomStream& stream, double x, double y, double radius, double roughness) {
  Blob blob{x, y, radius};
  blob.aspect = std::exp(stream.uniform(-0.35, 0.35));
  blob.angle = stream.uniform(0.0, std::numbers::pi);
  for (int k = 0; k < 3; ++k) {
    blob.waves[k] = roughness * stream.uniform(-1.0, 1.0) / (1.0 + 0.5 * k);
    blob.phases[k] = stream.uniform(0.0, 2.0 * std::numbers::pi);
  }
  return blob;
}

void cover(Plane& plane, const Blob& blob, double softness) {
  const double reach =
      1.8 * blob.radius * std::max(std::sqrt(blob.aspect), 1.0 / std::sqrt(blob.aspect)) + softness;
  const Span rows = span(plane, blob.y - reach, blob.y + reach);
  const Span columns = span(plane, blob.x - reach, blob.x + reach);
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    for (std::int64_t x = columns.begin; x < columns.end; ++x) {
      const double d = blob.distance(plane.coordinate(x), plane.coordinate(y));
      const auto inside = static_cast<float>(1.0 - smoothstep(-softness / 2, softness / 2, d));
      plane.at(y, x) = std::max(plane.at(y, x), inside);
    }
  }
}

void dot(Plane& plane, double x, double y, double radius) {
  const double pixel = 2.0 / static_cast<double>(plane.side());
  const double reach = radius + pixel;
  const Span rows = span(plane, y - reach, y + reach);
  const Span columns = span(plane, x - reach, x + reach);
  for (std::int64_t j = rows.begin; j < rows.end; ++j) {
    for (std::int64_t i = columns.begin; i < columns.end; ++i) {
      const double d = std::hypot(plane.coordinate(i) - x, plane.coordinate(j) - y);
      const auto inside = static_cast<float>(std::clamp((reach - d) / (2.0 * pixel), 0.0, 1.0));
      plane.at(j, i) = std::max(plane.at(j, i), inside);
    }
  }
}

Plane halve(const Plane& plane) {
  Plane out(plane.side() / 2);
  for (std::int64_t y = 0; y < out.side(); ++y) {
    for (std::int64_t x = 0; x < out.side(); ++x) {
      out.at(y, x) = 0.25F * (plane.at(2 * y, 2 * x) + plane.at(2 * y, 2 * x + 1) +
                              plane.at(2 * y + 1, 2 * x) + plane.at(2 * y + 1, 2 * x + 1));
    }
  }
  return out;
}

}  // namespace medaug::internal
