// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "data/phantom_draw.h"

// A disc of retina: vignette, optic disc, macula, vessel arcades, bright and dark lesions.

namespace medaug::internal {
namespace {

constexpr double kFieldRadius = 0.96;

struct Eye {
  std::array<double, 3> tone{};  ///< colour of the background
  double disc_x = 0.0;           ///< optic disc
  double disc_y = 0.0;
  double disc_radius = 0.14;
  double macula_x = 0.0;
  double macula_y = 0.0;
};

Eye random_eye(RandomStream& patient, RandomStream& stream) {
  Eye eye;
  const double pigment = patient.uniform();
  eye.tone = {0.86 - 0.22 * pigment, 0.44 - 0.16 * pigment, 0.22 - 0.10 * pigment};
  const double side = stream.chance(0.5) ? 1.0 : -1.0;
  eye.disc_x = side * stream.uniform(0.42, 0.54);
  eye.disc_y = stream.uniform(-0.10, 0.06);
  eye.disc_radius = stream.uniform(0.12, 0.16);
  eye.macula_x = -side * stream.uniform(0.06, 0.16);
  eye.macula_y = eye.disc_y + stream.uniform(0.0, 0.10);
  return eye;
}

struct Walk {
  double x, y;
  double heading;
  double bend;  ///< radians per unit of length, pulls back towards the macula
  double width;
  double length;
};

// A vessel is a random walk that thins out and gives off branches.
void grow(Plane& plane, Walk walk, RandomStream& stream, int depth) {
  const double step = 1.0 / static_cast<double>(plane.side());
  const double width = walk.width;
  double next_branch = stream.uniform(0.15, 0.4);
  for (double done = 0.0; done < walk.length; done += step) {
    walk.heading += step * walk.bend + std::sqrt(step) * 0.5 * stream.normal() * 0.6;
    walk.x += step * std::cos(walk.heading);
    walk.y += step * std::sin(walk.heading);
    if (std::hypot(walk.x, walk.y) > kFieldRadius + 0.02) {
      return;
    }
    const double thin = width * (1.0 - 0.65 * done / walk.length);
    dot(plane, walk.x, walk.y, thin);
    if (depth < 3 && done > next_branch) {
      next_branch = done + stream.uniform(0.12, 0.35);
      const double turn = (stream.chance(0.5) ? 1.0 : -1.0) * stream.uniform(0.4, 0.9);
      grow(plane,
           {walk.x, walk.y, walk.heading + turn, -0.6 * turn, 0.62 * thin,
            0.55 * (walk.length - done)},
           stream, depth + 1);
    }
  }
}

Plane draw_vessels(std::int64_t side, const Eye& eye, RandomStream& stream, double width) {
  Plane plane(side);
  const double away = eye.disc_x > 0.0 ? std::numbers::pi : 0.0;  // towards the macula
  for (const double up : {-1.0, 1.0}) {
    const double turn = (eye.disc_x > 0.0 ? -1.0 : 1.0) * up;
    grow(plane,
         {eye.disc_x, eye.disc_y, away + turn * stream.uniform(1.05, 1.35),
          -turn * stream.uniform(0.7, 1.05), width, stream.uniform(1.5, 1.9)},
         stream, 0);
    grow(plane,
         {eye.disc_x, eye.disc_y, away + std::numbers::pi - turn * stream.uniform(0.5, 1.0),
          turn * stream.uniform(0.0, 0.5), 0.75 * width, stream.uniform(0.5, 0.9)},
         stream, 1);
  }
  return plane;
}

/// A place in the field, clear of the optic disc.
std::pair<double, double> lesion_place(const Eye& eye, RandomStream& stream) {
  while (true) {
    const double r = 0.74 * std::sqrt(stream.uniform());
    const double a = stream.uniform(0.0, 2.0 * std::numbers::pi);
    const double x = r * std::cos(a);
    const double y = r * std::sin(a);
    if (std::hypot(x - eye.disc_x, y - eye.disc_y) > eye.disc_radius + 0.14) {
      return {x, y};
    }
  }
}

void draw_lesions(Drawing& drawing, const Eye& eye, RandomStream& stream) {
  static constexpr int kBright[] = {0, 0, 1, 2};
  static constexpr int kDark[] = {0, 1, 1, 2};
  const auto grade = static_cast<std::size_t>(drawing.grade);
  const double soft = 3.0 / static_cast<double>(drawing.colours[0].side());
  for (int k = 0; k < kBright[grade]; ++k) {  // a patch of exudates: a few blobs side by side
    const auto [x, y] = lesion_place(eye, stream);
    const double size = stream.uniform(0.05, 0.09) + 0.015 * static_cast<double>(grade);
    for (std::uint64_t n = 0; n < 3 + stream.below(3); ++n) {
      const double far = n == 0 ? 0.0 : 1.3 * size;
      const double a = stream.uniform(0.0, 2.0 * std::numbers::pi);
      cover(drawing.lesions[0],
            random_blob(stream, x + far * std::cos(a), y + far * std::sin(a),
                        size * (n == 0 ? 1.0 : stream.uniform(0.4, 0.75)), 0.2),
            soft);
    }
  }
  for (int k = 0; k < kDark[grade]; ++k) {
    const auto [x, y] = lesion_place(eye, stream);
    const double size = stream.uniform(0.06, 0.11) + 0.03 * static_cast<double>(grade - 1);
    cover(drawing.lesions[1], random_blob(stream, x, y, size, 0.16), 2.0 * soft);
  }
}

struct Layers {
  Plane veins;
  Plane arteries;
  Noise broad;
  Noise fine;
};

using Colour = std::array<double, 3>;

void blend(Colour& colour, const Colour& with, double share) {
  for (std::size_t c = 0; c < 3; ++c) {
    colour[c] += share * (with[c] - colour[c]);
  }
}

void darken(Colour& colour, const Colour& factors, double share) {
  for (std::size_t c = 0; c < 3; ++c) {
    colour[c] *= 1.0 - share * (1.0 - factors[c]);
  }
}

Colour retina_at(double x, double y, const Eye& eye, const Layers& layers) {
  const double r = std::hypot(x, y);
  Colour colour = eye.tone;
  const double light = 1.06 - 0.38 * r * r + 0.09 * layers.broad(x, y) + 0.05 * layers.fine(x, y);
  for (double& c : colour) {
    c *= light;
  }
  const double macula = std::hypot(x - eye.macula_x, y - eye.macula_y);
  darken(colour, {0.78, 0.62, 0.60}, std::exp(-macula * macula / 0.022));
  const double disc = std::hypot(1.08 * (x - eye.disc_x), y - eye.disc_y);
  blend(colour, {1.0, 0.82, 0.52},
        0.25 * (1.0 - smoothstep(eye.disc_radius, 2.2 * eye.disc_radius, disc)));
  blend(colour, {0.99, 0.86, 0.58},
        1.0 - smoothstep(0.88 * eye.disc_radius, 1.08 * eye.disc_radius, disc));
  blend(colour, {1.0, 0.96, 0.80},
        0.8 * (1.0 - smoothstep(0.3 * eye.disc_radius, 0.6 * eye.disc_radius, disc)));
  return colour;
}

void paint(Drawing& drawing, const Eye& eye, const Layers& layers) {
  const std::int64_t side = drawing.colours[0].side();
  const Plane& grid = drawing.colours[0];
  for (std::int64_t j = 0; j < side; ++j) {
    for (std::int64_t i = 0; i < side; ++i) {
      const double x = grid.coordinate(i);
      const double y = grid.coordinate(j);
      const double inside = 1.0 - smoothstep(kFieldRadius - 0.02, kFieldRadius, std::hypot(x, y));
      Colour colour = retina_at(x, y, eye, layers);
      darken(colour, {0.60, 0.36, 0.42}, static_cast<double>(layers.veins.at(j, i)));
      darken(colour, {0.84, 0.52, 0.50}, static_cast<double>(layers.arteries.at(j, i)));
      const double grain = layers.fine(y, -x);
      blend(colour, {0.42 + 0.05 * grain, 0.07, 0.06},
            0.85 * static_cast<double>(drawing.lesions[1].at(j, i)));
      blend(colour, {0.99, 0.92 + 0.06 * grain, 0.55 + 0.1 * grain},
            0.92 * static_cast<double>(drawing.lesions[0].at(j, i)));
      for (std::size_t c = 0; c < 3; ++c) {
        drawing.colours[c].at(j, i) =
            static_cast<float>(std::clamp(0.012 + inside * colour[c], 0.0, 1.0));
      }
    }
  }
}

}  // namespace

Drawing draw_fundus(std::int64_t side, RandomStream patient, RandomStream stream) {
  Drawing drawing{{3, Plane(side)}, {2, Plane(side)}, 0};
  drawing.grade = static_cast<std::int64_t>(stream.below(4));
  const Eye eye = random_eye(patient, stream);
  Layers layers{draw_vessels(side, eye, stream, 0.021), draw_vessels(side, eye, stream, 0.013),
                Noise(stream, 3, 3), Noise(stream, 24, 2)};
  draw_lesions(drawing, eye, stream);
  paint(drawing, eye, layers);
  return drawing;
}

}  // namespace medaug::internal
