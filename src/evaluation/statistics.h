// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace medaug {

// Every list holds finite numbers.

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

/// What a list of numbers looks like. Everything but the count is none (or 0) for an empty list.
struct Summary {
  std::int64_t count = 0;
  double mean = 0.0;
  double deviation = 0.0;  ///< of the sample (n - 1); 0 for a single value
  double median = 0.0;
  double low = 0.0;                       ///< least value
  double high = 0.0;                      ///< largest value
  std::optional<Interval> mean_interval;  ///< 95 %, bootstrap; none for fewer than two values
};

constexpr int kResamples = 2000;

/// @param seed  of the resampling: the same list and seed give the same interval
Summary summarise(std::span<const double> values, std::uint64_t seed = 0);

/// Linear interpolation between order statistics (type 7, NumPy's default).
/// @param values  at least one  @param q  in [0, 1]
double quantile(std::vector<double> values, double q);

/// 95 % percentile bootstrap interval of the mean (Efron and Tibshirani, 1993), 2,000 resamples.
/// @param values  at least two
Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed = 0);

/// 95 % score interval of a share (Wilson, 1927). @param hits  of `count`, count >= 1
Interval wilson(std::int64_t hits, std::int64_t count);

/// Mean of a - b over pairs, with its bootstrap interval.
struct PairedDifference {
  double mean = 0.0;
  Interval interval;
  /// Whether the interval holds 0. Also true when it is not a number: nothing is shown then.
  bool inside_the_noise() const { return !(interval.low > 0.0 || interval.high < 0.0); }
};
/// @param a, b  of one length, at least two
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b,
                                   std::uint64_t seed = 0);

}  // namespace medaug
