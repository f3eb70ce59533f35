// SPDX-License-Identifier: MIT
#include "evaluation/copy_align.h"

#include <algorithm>
#include <cmath>

namespace medaug {
namespace {

constexpr double kWide = 8.0;           // pixels, of the surroundings that contrast is measured in
constexpr double kFlat = 0.02;          // contrast below which there is no detail but noise
constexpr double kLeastOverlap = 0.44;  // of the picture
constexpr double kNoiseTakenOff = 0.9;  // all of it would leave nothing to measure in a noisy copy
constexpr double kLeastEnergy = 1e-9;   // far below the rounding of 8 bits

using Values = std::vector<float>;

// --- Gaussians

std::vector<float> gaussian(double sigma) {
  const auto radius = static_cast<int>(std::ceil(3.0 * sigma));
  std::vector<float> kernel;
  float sum = 0.0F;
  for (int i = -radius; i <= radius; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-0.5 * i * i / (sigma * sigma))));
    sum += kernel.back();
  }
  for (auto& weight : kernel) {
    weight /= sum;
  }
  return kernel;
}

std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  while (i < 0 || i >= n) {
    i = i < 0 ? -i : 2 * n - 2 - i;
  }
  return i;
}

/// Along the columns, and turned by the transposition that a second call undoes.
Values blurred_and_transposed(const Values& in, std::int64_t side,
                              const std::vector<float>& kernel) {
  const auto radius = std::ssize(kernel) / 2;
  const auto at = [side](std::int64_t y) { return static_cast<std::size_t>(y * side); };
  Values out(in.size()), row(static_cast<std::size_t>(side));
  for (std::int64_t y = 0; y < side; ++y) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (std::int64_t k = -radius; k <= radius; ++k) {
      const float* const from = in.data() + at(mirrored(y + k, side));
      const float weight = kernel[static_cast<std::size_t>(k + radius)];
      for (std::size_t x = 0; x < row.size(); ++x) {
        row[x] += weight * from[x];
      }
    }
    for (std::size_t x = 0; x < row.size(); ++x) {
      out[at(static_cast<std::int64_t>(x)) + static_cast<std::size_t>(y)] = row[x];
    }
  }
  return out;
}

Values blurred(const Values& in, std::int64_t side, double sigma) {
  const auto kernel = gaussian(sigma);
  return blurred_and_transposed(blurred_and_transposed(in, side, kernel), side, kernel);
}

// --- sampling

/// What a training picture shows at the places of the query's pixels.
struct Sampled {
  Values value, along_x, along_y;  ///< derivatives to normalised coordinates
  Values inside;                   ///< 1 or 0
  double count = 0.0;              ///< of pixels inside
};

struct Place {
  float x, y;  ///< normalised, in the training picture
};

Place place_of(const Pose& pose, float x, float y) {
  return {pose.turn[0] * x + pose.turn[1] * y + pose.shift[0],
          pose.turn[2] * x + pose.turn[3] * y + pose.shift[1]};
}

float centre(std::int64_t i, std::int64_t side) {
  return (2.0F * static_cast<float>(i) + 1.0F) / static_cast<float>(side) - 1.0F;
}

/// Calls body(index, x, y, place, pixel column, pixel row) for each pixel of the query whose place
/// is inside.
template <class Body>
void for_each_inside(const Pose& pose, std::int64_t side, const Body& body) {
  const float half = 0.5F * static_cast<float>(side);
  std::size_t i = 0;
  for (std::int64_t row = 0; row < side; ++row) {
    const float y = centre(row, side);
    for (std::int64_t column = 0; column < side; ++column, ++i) {
      const float x = centre(column, side);
      const auto [u, v] = place_of(pose, x, y);
      if (std::abs(u) <= 1.0F && std::abs(v) <= 1.0F) {
        body(i, (u + 1.0F) * half - 0.5F, (v + 1.0F) * half - 0.5F);
      }
    }
  }
}

void sample(const GreyPicture& from, const Pose& pose, Sampled& out) {
  const auto side = from.side;
  for (auto* const plane : {&out.value, &out.along_x, &out.along_y, &out.inside}) {
    plane->assign(from.values.size(), 0.0F);
  }
  out.count = 0.0;
  const float scale = 0.5F * static_cast<float>(side);
  const auto last = static_cast<float>(side - 1);
  for_each_inside(pose, side, [&](std::size_t i, float px, float py) {
    const float cx = std::clamp(px, 0.0F, last), cy = std::clamp(py, 0.0F, last);
    const auto x = std::min<std::int64_t>(static_cast<std::int64_t>(cx), side - 2);
    const auto y = std::min<std::int64_t>(static_cast<std::int64_t>(cy), side - 2);
    const float fx = cx - static_cast<float>(x), fy = cy - static_cast<float>(y);
    const float* const p = from.values.data() + y * side + x;
    const float top = p[1] - p[0], bottom = p[side + 1] - p[side];
    const float left = p[side] - p[0], right = p[side + 1] - p[1];
    out.value[i] = p[0] + fx * top + fy * (left + fx * (bottom - top));
    out.along_x[i] = scale * (top + fy * (bottom - top));
    out.along_y[i] = scale * (left + fx * (right - left));
    out.inside[i] = 1.0F;
    out.count += 1.0;
  });
}

// --- alignment

constexpr std::size_t kUnknowns = 6;
using Vector6 = std::array<double, kUnknowns>;
using Matrix6 = std::array<Vector6, kUnknowns>;

/// Solves A x = b for a symmetric positive definite A (Cholesky).
Vector6 solve(Matrix6 a, Vector6 b) {
  for (std::size_t i = 0; i < kUnknowns; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (std::size_t k = 0; k < j; ++k) {
        sum -= a[i][k] * a[j][k];
      }
      a[i][j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / a[j][j];
    }
    for (std::size_t k = 0; k < i; ++k) {
      b[i] -= a[i][k] * b[k];
    }
    b[i] /= a[i][i];
  }
  for (std::size_t i = kUnknowns; i-- > 0;) {
    for (std::size_t k = i + 1; k < kUnknowns; ++k) {
      b[i] -= a[k][i] * b[k];
    }
    b[i] /= a[i][i];
  }
  return b;
}

/// How the query's grey levels follow those of the training picture over the overlap.
struct Fitted {
  double correlation = -1.0;
  double slope = 0.0;
};

Fitted fit(const Values& query, const Sampled& training) {
  double q = 0.0, t = 0.0, qq = 0.0, tt = 0.0, qt = 0.0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const double a = query[i] * training.inside[i], b = training.value[i];
    q += a, t += b, qq += a * a, tt += b * b, qt += a * b;
  }
  const double n = std::max(training.count, 1.0);
  const double both = qt - q * t / n;
  const double of_query = std::max(0.0, qq - q * q / n);
  const double of_training = std::max(0.0, tt - t * t / n);
  Fitted out;
  out.slope = std::max(0.05, both / (of_training + 1e-6));
  if (training.count > kLeastOverlap * static_cast<double>(query.size())) {
    out.correlation = both / (std::sqrt(of_query * of_training) + 1e-6);
  }
  return out;
}

/// One step of Gauss-Newton in the unknowns (a, b, scale, angle, dx, dy).
Vector6 step(const Values& query, const Sampled& training, const Pose& pose, double slope,
             std::int64_t side) {
  Matrix6 a{};
  Vector6 b{};
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (training.inside[i] == 0.0F) {
      continue;
    }
    const float x = centre(static_cast<std::int64_t>(i) % side, side);
    const float y = centre(static_cast<std::int64_t>(i) / side, side);
    const float u = pose.turn[0] * x + pose.turn[1] * y, v = pose.turn[2] * x + pose.turn[3] * y;
    const double gx = slope * training.along_x[i], gy = slope * training.along_y[i];
    const Vector6 row{training.value[i], 1.0, gx * u + gy * v, gy * u - gx * v, gx, gy};
    const double residual = query[i] - slope * training.value[i];
    for (std::size_t j = 0; j < kUnknowns; ++j) {
      for (std::size_t k = 0; k <= j; ++k) {
        a[j][k] += row[j] * row[k];
      }
      b[j] += row[j] * residual;
    }
  }
  for (std::size_t j = 0; j < kUnknowns; ++j) {
    a[j][j] += 1e-3 * a[j][j] + 1e-4;
  }
  return solve(a, b);
}

/// The pose turned and scaled a little around the centre, then moved; never far in one step.
Pose moved(const Pose& pose, const Vector6& by) {
  const auto scale = static_cast<float>(1.0 + std::clamp(by[2], -0.1, 0.1));
  const auto angle = static_cast<float>(std::clamp(by[3], -0.1, 0.1));
  const auto& m = pose.turn;
  return {{scale * m[0] - angle * m[2], scale * m[1] - angle * m[3], angle * m[0] + scale * m[2],
           angle * m[1] + scale * m[3]},
          {pose.shift[0] + static_cast<float>(std::clamp(by[4], -0.15, 0.15)),
           pose.shift[1] + static_cast<float>(std::clamp(by[5], -0.15, 0.15))}};
}

// --- what is left

/// Catmull-Rom.
std::array<float, 4> cubic_weights(float t) {
  return {((-0.5F * t + 1.0F) * t - 0.5F) * t, (1.5F * t - 2.5F) * t * t + 1.0F,
          ((-1.5F * t + 2.0F) * t + 0.5F) * t, (0.5F * t - 0.5F) * t * t};
}

/// The training picture in its pose by cubic interpolation; its derivatives are left out.
Sampled sample_cubic(const GreyPicture& from, const Pose& pose) {
  const auto side = from.side;
  Sampled out;
  out.value.assign(from.values.size(), 0.0F);
  out.inside = out.value;
  for_each_inside(pose, side, [&](std::size_t i, float px, float py) {
    const float bx = std::floor(px), by = std::floor(py);
    const auto wx = cubic_weights(px - bx), wy = cubic_weights(py - by);
    float sum = 0.0F;
    for (int r = 0; r < 4; ++r) {
      const auto y = std::clamp<std::int64_t>(static_cast<std::int64_t>(by) + r - 1, 0, side - 1);
      float line = 0.0F;
      for (int c = 0; c < 4; ++c) {
        const auto x = std::clamp<std::int64_t>(static_cast<std::int64_t>(bx) + c - 1, 0, side - 1);
        line +=
            wx[static_cast<std::size_t>(c)] * from.values[static_cast<std::size_t>(y * side + x)];
      }
      sum += wy[static_cast<std::size_t>(r)] * line;
    }
    out.value[i] = sum;
    out.inside[i] = 1.0F;
    out.count += 1.0;
  });
  return out;
}

/// q - (c0 + c1 t + c2 t^2 + c3 t^3) over the overlap, least squares; 0 outside.
Values residual_of_grey_curve(const Values& query, const Sampled& training) {
  constexpr std::size_t kTerms = 4;
  Matrix6 a{};
  Vector6 b{};
  const auto powers = [&](std::size_t i) {
    const double t = training.value[i];
    return std::array<double, kTerms>{1.0, t, t * t, t * t * t};
  };
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (training.inside[i] == 0.0F) {
      continue;
    }
    const auto row = powers(i);
    for (std::size_t j = 0; j < kTerms; ++j) {
      for (std::size_t k = 0; k <= j; ++k) {
        a[j][k] += row[j] * row[k];
      }
      b[j] += row[j] * query[i];
    }
  }
  for (std::size_t j = 0; j < kUnknowns; ++j) {
    a[j][j] += j < kTerms ? 1e-2 : 1.0;  // of dark pictures the powers are hard to tell apart
  }
  const auto curve = solve(a, b);
  Values out(query.size(), 0.0F);
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (training.inside[i] != 0.0F) {
      const auto row = powers(i);
      double value = query[i];
      for (std::size_t j = 0; j < kTerms; ++j) {
        value -= curve[j] * row[j];
      }
      out[i] = static_cast<float>(value);
    }
  }
  return out;
}

/// The overlap without its mean, 0 outside.
Values centred(const Values& query, const Sampled& training) {
  double sum = 0.0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    sum += query[i] * training.inside[i];
  }
  const auto mean = static_cast<float>(sum / std::max(training.count, 1.0));
  Values out(query.size());
  for (std::size_t i = 0; i < query.size(); ++i) {
    out[i] = (query[i] - mean) * training.inside[i];
  }
  return out;
}

constexpr std::array<double, 4> kSigmas{0.5, 1.0, 2.0, 4.0};
using Bands = std::array<double, kSigmas.size() - 1>;

/// Mean energy in each band.
Bands energies(const Values& values, std::int64_t side, double count) {
  Bands out{};
  auto fine = blurred(values, side, kSigmas[0]);
  for (std::size_t band = 0; band < out.size(); ++band) {
    auto coarse = blurred(values, side, kSigmas[band + 1]);
    for (std::size_t i = 0; i < fine.size(); ++i) {
      const double difference = fine[i] - coarse[i];
      out[band] += difference * difference;
    }
    out[band] /= count;
    fine = std::move(coarse);
  }
  return out;
}

/// The energies that white noise of variance 1 has, from the kernels themselves.
Bands energies_of_noise() {
  const auto overlap = [](double s, double t) {
    const auto a = gaussian(s), b = gaussian(t);  // a is the shorter one
    const auto offset = (b.size() - a.size()) / 2;
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum += a[i] * b[i + offset];
    }
    return sum * sum;  // of two directions
  };
  Bands out{};
  for (std::size_t band = 0; band < out.size(); ++band) {
    const double s = kSigmas[band], t = kSigmas[band + 1];
    out[band] = overlap(s, s) - 2.0 * overlap(s, t) + overlap(t, t);
  }
  return out;
}

}  // namespace

GreyPicture local_detail(const GreyPicture& picture, double sigma) {
  const auto side = picture.side;
  const auto wide = blurred(picture.values, side, kWide);
  GreyPicture out{side, blurred(picture.values, side, sigma)};
  Values squares(out.values.size());
  for (std::size_t i = 0; i < squares.size(); ++i) {
    out.values[i] -= wide[i];
    squares[i] = out.values[i] * out.values[i];
  }
  const auto contrast = blurred(squares, side, kWide);
  for (std::size_t i = 0; i < squares.size(); ++i) {
    out.values[i] /= std::sqrt(contrast[i] + static_cast<float>(kFlat * kFlat));
  }
  return out;
}

GreyPicture halved(const GreyPicture& picture) {
  const auto side = picture.side / 2;
  GreyPicture out{side, {}};
  out.values.reserve(static_cast<std::size_t>(side * side));
  for (std::int64_t y = 0; y < side; ++y) {
    for (std::int64_t x = 0; x < side; ++x) {
      const float* const p = picture.values.data() + 2 * y * picture.side + 2 * x;
      out.values.push_back(0.25F * (p[0] + p[1] + p[picture.side] + p[picture.side + 1]));
    }
  }
  return out;
}

Alignment align(const GreyPicture& query, const GreyPicture& training, const Pose& start,
                int iterations) {
  Alignment best{start};
  Pose pose = start;
  Sampled sampled;
  for (int i = 0;; ++i) {
    sample(training, pose, sampled);
    const auto fitted = fit(query.values, sampled);
    if (fitted.correlation > best.correlation) {
      best = {pose, fitted.correlation};
    }
    if (i == iterations || fitted.correlation <= -1.0) {
      return best;
    }
    pose = moved(pose, step(query.values, sampled, pose, fitted.slope, query.side));
  }
}

double unexplained_detail(const GreyPicture& query, const GreyPicture& training, const Pose& pose) {
  static const Bands of_noise = energies_of_noise();
  const auto side = query.side;
  const auto sampled = sample_cubic(training, pose);
  if (sampled.count <= kLeastOverlap * static_cast<double>(query.values.size())) {
    return 1.0;
  }
  const auto left = energies(residual_of_grey_curve(query.values, sampled), side, sampled.count);
  const auto all = energies(centred(query.values, sampled), side, sampled.count);
  const double noise = kNoiseTakenOff * left[0] / of_noise[0];
  double product = 1.0;
  for (std::size_t band = 1; band < left.size(); ++band) {
    product *= std::max(left[band] - noise * of_noise[band], kLeastEnergy) /
               std::max(all[band], kLeastEnergy);
  }
  return std::clamp(std::sqrt(product), 0.0, 1.0);
}

}  // namespace medaug
