// SPDX-License-Identifier: MIT
#include "evaluation/radiomics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "evaluation/statistics.h"

namespace medaug {
namespace {

constexpr std::size_t kLevels = 32;

using Features = std::vector<std::pair<std::string, double>>;

struct Grey {
  std::int64_t height = 0, width = 0;
  std::vector<double> values;       ///< in [0, 1]
  std::vector<std::size_t> levels;  ///< 0 .. kLevels - 1
  std::size_t level(std::int64_t y, std::int64_t x) const {
    return levels[static_cast<std::size_t>(y * width + x)];
  }
};

Grey grey_of(const at::Tensor& image) {
  auto x = (image.to(at::kDouble) + 1.0) * 0.5;
  x = x.size(0) == 3 ? x[0] * 0.299 + x[1] * 0.587 + x[2] * 0.114 : x[0];
  x = x.clamp(0.0, 1.0).contiguous();
  Grey grey{image.size(1), image.size(2), {}, {}};
  const auto* data = x.const_data_ptr<double>();
  grey.values.assign(data, data + x.numel());
  for (const double v : grey.values) {
    grey.levels.push_back(std::min(kLevels - 1, static_cast<std::size_t>(v * kLevels)));
  }
  return grey;
}

double information(double p) { return p > 0.0 ? -p * std::log2(p) : 0.0; }

/// IBSI section 3.3 and 3.4: statistics of the levels and of their histogram.
void first_order(const Grey& grey, Features& out) {
  const auto& v = grey.values;
  const auto n = static_cast<double>(v.size());
  double mean = 0.0, energy = 0.0;
  for (const double x : v) {
    mean += x / n;
    energy += x * x / n;
  }
  std::array<double, 5> moments{};
  double absolute = 0.0;
  for (const double x : v) {
    const double d = x - mean;
    absolute += std::abs(d) / n;
    moments[2] += d * d / n;
    moments[3] += d * d * d / n;
    moments[4] += d * d * d * d / n;
  }
  const double variance = moments[2];
  // A constant image has neither skew nor tails.
  const bool flat = variance < 1e-12;
  const double p10 = quantile(v, 0.1), p25 = quantile(v, 0.25), p75 = quantile(v, 0.75),
               p90 = quantile(v, 0.9), median = quantile(v, 0.5);
  std::array<double, kLevels> histogram{};
  for (const auto level : grey.levels) {
    histogram[level] += 1.0 / n;
  }
  double entropy = 0.0, uniformity = 0.0;
  for (const double p : histogram) {
    entropy += information(p);
    uniformity += p * p;
  }
  out.insert(out.end(), {{"mean", mean},
                         {"variance", variance},
                         {"skewness", flat ? 0.0 : moments[3] / std::pow(variance, 1.5)},
                         {"excess_kurtosis", flat ? 0.0 : moments[4] / (variance * variance) - 3.0},
                         {"median", median},
                         {"percentile_10", p10},
                         {"percentile_90", p90},
                         {"interquartile_range", p75 - p25},
                         {"range", *std::max_element(v.begin(), v.end()) -
                                       *std::min_element(v.begin(), v.end())},
                         {"mean_absolute_deviation", absolute},
                         {"root_mean_square", std::sqrt(energy)},
                         {"entropy", entropy},
                         {"uniformity", uniformity}});
}

using Matrix = std::array<std::array<double, kLevels>, kLevels>;

/// Shares of neighbouring pairs of levels, each pair in both orders.
Matrix co_occurrence(const Grey& grey) {
  constexpr std::array<std::array<std::int64_t, 2>, 4> kDirections{
      {{0, 1}, {1, 0}, {1, 1}, {1, -1}}};
  Matrix pairs{};
  double all = 0.0;
  for (const auto& [dy, dx] : kDirections) {
    for (std::int64_t y = 0; y + dy < grey.height; ++y) {
      for (std::int64_t x = std::max<std::int64_t>(0, -dx);
           x < grey.width - std::max<std::int64_t>(0, dx); ++x) {
        const auto a = grey.level(y, x), b = grey.level(y + dy, x + dx);
        pairs[a][b] += 1.0;
        pairs[b][a] += 1.0;
        all += 2.0;
      }
    }
  }
  for (auto& row : pairs) {
    for (auto& p : row) {
      p /= std::max(all, 1.0);  // a single pixel has no pair
    }
  }
  return pairs;
}

/// IBSI section 3.6.
void texture(const Grey& grey, Features& out) {
  const auto p = co_occurrence(grey);
  std::array<double, kLevels> margin{}, difference{};
  std::array<double, 2 * kLevels> sum{};
  double maximum = 0.0, energy = 0.0, entropy = 0.0, contrast = 0.0, homogeneity = 0.0, mean = 0.0;
  for (std::size_t i = 0; i < kLevels; ++i) {
    for (std::size_t j = 0; j < kLevels; ++j) {
      const double away = static_cast<double>(i > j ? i - j : j - i);
      margin[i] += p[i][j];
      difference[i > j ? i - j : j - i] += p[i][j];
      sum[i + j] += p[i][j];
      maximum = std::max(maximum, p[i][j]);
      energy += p[i][j] * p[i][j];
      entropy += information(p[i][j]);
      contrast += p[i][j] * away * away;
      homogeneity += p[i][j] / (1.0 + away);
      mean += p[i][j] * static_cast<double>(i);
    }
  }
  double variance = 0.0, product = 0.0, shade = 0.0, prominence = 0.0;
  for (std::size_t i = 0; i < kLevels; ++i) {
    const double di = static_cast<double>(i) - mean;
    variance += margin[i] * di * di;
    for (std::size_t j = 0; j < kLevels; ++j) {
      const double dj = static_cast<double>(j) - mean;
      product += p[i][j] * di * dj;
      shade += p[i][j] * std::pow(di + dj, 3);
      prominence += p[i][j] * std::pow(di + dj, 4);
    }
  }
  double difference_mean = 0.0, difference_entropy = 0.0, sum_entropy = 0.0;
  for (std::size_t k = 0; k < kLevels; ++k) {
    difference_mean += difference[k] * static_cast<double>(k);
    difference_entropy += information(difference[k]);
  }
  for (const double share : sum) {
    sum_entropy += information(share);
  }
  // The cluster features grow with the third and fourth power of the levels: their roots compare.
  out.insert(out.end(), {{"joint_maximum", maximum},
                         {"joint_variance", variance},
                         {"joint_entropy", entropy},
                         {"angular_second_moment", energy},
                         {"contrast", contrast},
                         {"dissimilarity", difference_mean},
                         {"difference_entropy", difference_entropy},
                         {"sum_entropy", sum_entropy},
                         {"inverse_difference", homogeneity},
                         {"correlation", variance > 1e-12 ? product / variance : 1.0},
                         {"cluster_shade_root", std::cbrt(shade)},
                         {"cluster_prominence_root", std::pow(prominence, 0.25)}});
}

/// Level against the mean of the neighbours (eight; fewer at the border).
double tone_difference(const Grey& grey, std::int64_t y, std::int64_t x) {
  double around = 0.0, count = 0.0;
  for (auto v = std::max<std::int64_t>(0, y - 1); v < std::min(grey.height, y + 2); ++v) {
    for (auto u = std::max<std::int64_t>(0, x - 1); u < std::min(grey.width, x + 2); ++u) {
      if (v != y || u != x) {
        around += static_cast<double>(grey.level(v, u));
        count += 1.0;
      }
    }
  }
  const auto level = static_cast<double>(grey.level(y, x));
  return count > 0.0 ? std::abs(level - around / count) : 0.0;
}

/// IBSI section 3.10.
void tone_differences(const Grey& grey, Features& out) {
  std::array<double, kLevels> count{}, away{};
  for (std::int64_t y = 0; y < grey.height; ++y) {
    for (std::int64_t x = 0; x < grey.width; ++x) {
      const auto level = grey.level(y, x);
      count[level] += 1.0;
      away[level] += tone_difference(grey, y, x);
    }
  }
  const auto all = static_cast<double>(grey.levels.size());
  double present = 0.0, coarse = 0.0, spread = 0.0, total = 0.0;
  for (std::size_t i = 0; i < kLevels; ++i) {
    present += count[i] > 0.0 ? 1.0 : 0.0;
    coarse += count[i] / all * away[i];
    total += away[i];
    for (std::size_t j = 0; j < kLevels; ++j) {
      const double d = static_cast<double>(i) - static_cast<double>(j);
      spread += count[i] / all * count[j] / all * d * d;
    }
  }
  const double pairs = present * (present - 1.0);
  out.insert(out.end(), {{"log_coarseness", -std::log10(std::max(coarse, 1e-6))},
                         {"tone_contrast", pairs > 0.0 ? spread / pairs * total / all : 0.0}});
}

Features features_of(const at::Tensor& image) {
  Features out;
  const auto grey = grey_of(image);
  first_order(grey, out);
  texture(grey, out);
  tone_differences(grey, out);
  return out;
}

}  // namespace

const std::vector<std::string>& radiomics_names() {
  static const auto names = [] {
    std::vector<std::string> all;
    for (const auto& feature : features_of(at::zeros({1, 1, 1}))) {
      all.push_back(feature.first);
    }
    return all;
  }();
  return names;
}

at::Tensor radiomics(const at::Tensor& image) {
  std::vector<double> values;
  for (const auto& feature : features_of(image)) {
    values.push_back(feature.second);
  }
  return at::tensor(values, at::dtype(at::kDouble));
}

}  // namespace medaug
