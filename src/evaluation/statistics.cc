// SPDX-License-Identifier: MIT
#include "evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace medaug {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double quantile(std::vector<double> values, double q) {
  MEDAUG_ASSERT(!values.empty());
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  std::vector<double> means;
  means.reserve(kResamples);
  for (int resample = 0; resample < kResamples; ++resample) {
    RandomStream draws(seed, Purpose::kBootstrap, static_cast<std::uint64_t>(resample));
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum += values[draws.below(values.size())];
    }
    means.push_back(sum / static_cast<double>(values.size()));
  }
  return {quantile(means, 0.025), quantile(means, 0.975)};
}

Summary summarise(std::span<const double> values, std::uint64_t seed) {
  Summary out;
  out.count = static_cast<std::int64_t>(values.size());
  if (values.empty()) {
    return out;
  }
  out.mean = mean_of(values);
  out.median = quantile({values.begin(), values.end()}, 0.5);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  out.low = *low;
  out.high = *high;
  if (values.size() > 1) {
    double squares = 0.0;
    for (const double x : values) {
      squares += (x - out.mean) * (x - out.mean);
    }
    out.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
    out.mean_interval = bootstrap_mean(values, seed);
  }
  return out;
}

Interval wilson(std::int64_t hits, std::int64_t count) {
  constexpr double kZ = 1.959963984540054;  // 97.5 % of a normal distribution
  const auto n = static_cast<double>(count);
  const double share = static_cast<double>(hits) / n;
  const double middle = share + kZ * kZ / (2.0 * n);
  const double half = kZ * std::sqrt(share * (1.0 - share) / n + kZ * kZ / (4.0 * n * n));
  const double scale = 1.0 + kZ * kZ / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

PairedDifference paired_difference(std::span<const double> a, std::span<const double> b,
                                   std::uint64_t seed) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences.push_back(a[i] - b[i]);
  }
  return {mean_of(differences), bootstrap_mean(differences, seed)};
}

}  // namespace medaug
