// SPDX-License-Identifier: MIT
#include "evaluation/structural_similarity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MEDAUG_CLONES __attribute__((target_clones("arch=x86-64-v4,arch=x86-64-v3,default")))
#else
#define MEDAUG_CLONES
#endif

namespace medaug {
namespace {

constexpr double kSigma = 1.5, kK1 = 0.01, kK2 = 0.03;
constexpr std::int64_t kRing = kSsimWindow;

using Window = std::array<double, kSsimWindow>;

enum class Precision { kDouble, kSingle };

/// `kSingle` rounds the weights, as the reference of MS-SSIM (the package pytorch-msssim) does: in
/// flat bright images that shows in the sixth digit.
Window gaussian(Precision precision) {
  Window w{};
  double total = 0.0;
  for (std::int64_t i = 0; i < kSsimWindow; ++i) {
    const auto x = static_cast<double>(i - kSsimWindow / 2);
    w[static_cast<std::size_t>(i)] = std::exp(-x * x / (2.0 * kSigma * kSigma));
    total += w[static_cast<std::size_t>(i)];
  }
  for (auto& x : w) {
    x = precision == Precision::kDouble
            ? x / total
            : static_cast<double>(static_cast<float>(x) / static_cast<float>(total));
  }
  return w;
}

/// out[x] = sum_k w[k] rows[k][x].
MEDAUG_CLONES void weigh_rows(const double* const* rows, const double* w, std::int64_t width,
                              double* __restrict out) {
  for (std::int64_t x = 0; x < width; ++x) {
    double sum = 0.0;
    for (std::int64_t k = 0; k < kSsimWindow; ++k) {
      sum += w[k] * rows[k][x];
    }
    out[x] = sum;
  }
}

/// out[x] = sum_k w[k] row[x + k], for width sums.
MEDAUG_CLONES void weigh_columns(const double* row, const double* w, std::int64_t width,
                                 double* __restrict out) {
  for (std::int64_t x = 0; x < width; ++x) {
    double sum = 0.0;
    for (std::int64_t k = 0; k < kSsimWindow; ++k) {
      sum += w[k] * row[x + k];
    }
    out[x] = sum;
  }
}

/// Squares and products of one row of both planes.
MEDAUG_CLONES void multiply(const double* a, const double* b, std::int64_t width,
                            double* __restrict squares, double* __restrict products) {
  for (std::int64_t x = 0; x < width; ++x) {
    squares[x] = a[x] * a[x] + b[x] * b[x];
    products[x] = a[x] * b[x];
  }
}

/// Window means of a row: a, b, a^2 + b^2 and a b. Only the sum of the two variances is needed.
struct Means {
  const double *a, *b, *squares, *products;
};

/// SSIM and its contrast-structure factor at each place of a row.
MEDAUG_CLONES void similarity_row(const Means& m, std::int64_t width, double c1, double c2,
                                  double* __restrict ssim, double* __restrict contrast) {
  const double* __restrict a = m.a, * __restrict b = m.b, * __restrict squares = m.squares, * __restrict products = m.products;
  for (std::int64_t x = 0; x < width; ++x) {
    const double ab = a[x] * b[x], mean_squares = a[x] * a[x] + b[x] * b[x];
    contrast[x] = (2.0 * (products[x] - ab) + c2) / (squares[x] - mean_squares + c2);
    ssim[x] = contrast[x] * (2.0 * ab + c1) / (mean_squares + c1);
  }
}

/// 2 x 2 means; an odd side is first padded by a row (column) of zeros in front.
Plane halved(const Plane& p) {
  const std::int64_t odd_row = p.height % 2, odd_column = p.width % 2;
  Plane half{(p.height + odd_row) / 2, (p.width + odd_column) / 2, {}};
  half.values.assign(static_cast<std::size_t>(half.height * half.width), 0.0);
  for (std::int64_t y = 0; y < p.height; ++y) {
    for (std::int64_t x = 0; x < p.width; ++x) {
      const auto to = (y + odd_row) / 2 * half.width + (x + odd_column) / 2;
      half.values[static_cast<std::size_t>(to)] +=
          0.25 * p.values[static_cast<std::size_t>(y * p.width + x)];
    }
  }
  return half;
}

Similarity similarity(const Plane& a, const Plane& b, double data_range, const Window& window) {
  const double c1 = kK1 * data_range * kK1 * data_range, c2 = kK2 * data_range * kK2 * data_range;
  const auto width = static_cast<std::size_t>(a.width);
  const std::int64_t inner = a.width - kSsimWindow + 1;
  // The squares and products of the last eleven rows stand in rings.
  std::vector<double> rings(2 * kRing * width), weighed(4 * width), means(4 * width),
      maps(2 * width);
  const auto ring_row = [&](std::int64_t which, std::int64_t y) {
    return rings.data() + static_cast<std::size_t>(which * kRing + y % kRing) * width;
  };
  double ssim = 0.0, contrast = 0.0;
  for (std::int64_t y = 0; y < a.height; ++y) {
    const auto* row_a = a.values.data() + static_cast<std::size_t>(y) * width;
    const auto* row_b = b.values.data() + static_cast<std::size_t>(y) * width;
    multiply(row_a, row_b, a.width, ring_row(0, y), ring_row(1, y));
    const std::int64_t top = y - kSsimWindow + 1;
    if (top < 0) {
      continue;
    }
    std::array<std::array<const double*, kSsimWindow>, 4> rows{};
    for (std::int64_t k = 0; k < kSsimWindow; ++k) {
      const auto i = static_cast<std::size_t>(k);
      rows[0][i] = a.values.data() + static_cast<std::size_t>(top + k) * width;
      rows[1][i] = b.values.data() + static_cast<std::size_t>(top + k) * width;
      rows[2][i] = ring_row(0, top + k);
      rows[3][i] = ring_row(1, top + k);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      weigh_rows(rows[i].data(), window.data(), a.width, weighed.data() + i * width);
      weigh_columns(weighed.data() + i * width, window.data(), inner, means.data() + i * width);
    }
    const auto* m = means.data();
    similarity_row({m, m + width, m + 2 * width, m + 3 * width}, inner, c1, c2, maps.data(),
                   maps.data() + width);
    ssim += std::accumulate(maps.begin(), maps.begin() + inner, 0.0);
    contrast += std::accumulate(maps.begin() + a.width, maps.begin() + a.width + inner, 0.0);
  }
  const auto places = static_cast<double>(inner * (a.height - kSsimWindow + 1));
  return {ssim / places, contrast / places};
}

}  // namespace

Similarity structural_similarity(const Plane& a, const Plane& b, double data_range) {
  static const Window window = gaussian(Precision::kDouble);
  return similarity(a, b, data_range, window);
}

double multiscale_similarity(Plane a, Plane b, double data_range) {
  constexpr std::array kWeights{0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  static const Window window = gaussian(Precision::kSingle);
  double product = 1.0;
  for (std::size_t scale = 0; scale < kWeights.size(); ++scale) {
    const auto found = similarity(a, b, data_range, window);
    const bool last = scale + 1 == kWeights.size();
    const double factor = last ? found.ssim : found.contrast_structure;
    product *= std::pow(std::max(factor, 0.0), kWeights[scale]);
    if (!last) {
      a = halved(a);
      b = halved(b);
    }
  }
  return product;
}

}  // namespace medaug
