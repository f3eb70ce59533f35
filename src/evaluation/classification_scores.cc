// SPDX-License-Identifier: MIT
#include "evaluation/classification_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace medaug {
namespace {

using Table = std::vector<std::vector<std::int64_t>>;

double real(std::int64_t n) { return static_cast<double>(n); }

double sum_of(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

/// Row and column sums of the confusion table.
struct Margins {
  std::vector<double> truth, predicted;
  double all = 0.0, right = 0.0;

  explicit Margins(const Table& table) : truth(table.size()), predicted(table.size()) {
    for (std::size_t t = 0; t < table.size(); ++t) {
      for (std::size_t p = 0; p < table.size(); ++p) {
        truth[t] += real(table[t][p]);
        predicted[p] += real(table[t][p]);
      }
      right += real(table[t][t]);
    }
    all = sum_of(truth);
  }
};

/// 1 - observed over expected disagreement, weighed by |t - p|^power (power 0: all alike).
double kappa(const Table& table, const Margins& margins, int power) {
  double observed = 0.0, expected = 0.0;
  for (std::size_t t = 0; t < table.size(); ++t) {
    for (std::size_t p = 0; p < table.size(); ++p) {
      const double away = std::abs(static_cast<double>(t) - static_cast<double>(p));
      const double weight = t == p ? 0.0 : std::pow(away, power);
      observed += weight * real(table[t][p]);
      expected += weight * margins.truth[t] * margins.predicted[p] / margins.all;
    }
  }
  return expected > 0.0 ? 1.0 - observed / expected : 1.0;
}

/// Gorodkin's R_K.
double matthews(const Margins& m) {
  double both = 0.0, truth = 0.0, predicted = 0.0;
  for (std::size_t k = 0; k < m.truth.size(); ++k) {
    both += m.truth[k] * m.predicted[k];
    truth += m.truth[k] * m.truth[k];
    predicted += m.predicted[k] * m.predicted[k];
  }
  const double spread = std::sqrt((m.all * m.all - predicted) * (m.all * m.all - truth));
  return spread > 0.0 ? (m.right * m.all - both) / spread : 0.0;
}

/// Indices by falling score.
std::vector<std::size_t> by_score(std::span<const double> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

}  // namespace

BinaryScores score_binary(const std::vector<bool>& positive, std::span<const double> scores) {
  BinaryScores out;
  const double ones = real(std::count(positive.begin(), positive.end(), true));
  const double zeros = real(static_cast<std::int64_t>(positive.size())) - ones;
  const auto order = by_score(scores);
  double found = 0.0, wrong = 0.0, ranked = 0.0;
  for (std::size_t i = 0; i < order.size();) {
    double ones_here = 0.0, zeros_here = 0.0;
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      (positive[order[i]] ? ones_here : zeros_here) += 1.0;
    }
    ranked += zeros_here * (found + 0.5 * ones_here);
    found += ones_here;
    wrong += zeros_here;
    if (ones > 0.0) {
      out.average_precision += ones_here / ones * found / (found + wrong);
    }
  }
  if (ones > 0.0 && zeros > 0.0) {
    out.auroc = ranked / (ones * zeros);
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double off = scores[i] - (positive[i] ? 1.0 : 0.0);
    out.brier += off * off / static_cast<double>(scores.size());
  }
  return out;
}

ClassificationScores score_classes(std::span<const std::int64_t> truth,
                                   std::span<const double> probabilities, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  ClassificationScores out;
  out.confusion.assign(width, std::vector<std::int64_t>(width, 0));
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto row = probabilities.subspan(i * width, width);
    const auto predicted = std::max_element(row.begin(), row.end()) - row.begin();
    const auto t = static_cast<std::size_t>(truth[i]);
    ++out.confusion[t][static_cast<std::size_t>(predicted)];
    const double p = std::max(row[t], std::numeric_limits<double>::epsilon());
    out.log_loss -= std::log(p) / static_cast<double>(truth.size());
  }
  const Margins margins(out.confusion);
  out.accuracy = margins.right / margins.all;
  out.kappa = kappa(out.confusion, margins, 0);
  out.kappa_quadratic = kappa(out.confusion, margins, 2);
  out.mcc = matthews(margins);
  double recalls = 0.0, occurring = 0.0, seen = 0.0, areas = 0.0, with_area = 0.0;
  for (std::size_t c = 0; c < width; ++c) {
    ClassScores one;
    const double right = real(out.confusion[c][c]);
    one.count = static_cast<std::int64_t>(margins.truth[c]);
    if (margins.predicted[c] > 0.0) {
      one.precision = right / margins.predicted[c];
    }
    if (margins.truth[c] > 0.0) {
      one.recall = right / margins.truth[c];
      recalls += *one.recall;
      occurring += 1.0;
    }
    if (const double both = margins.truth[c] + margins.predicted[c]; both > 0.0) {
      one.f1 = 2.0 * right / both;
      seen += 1.0;
    }
    std::vector<bool> positive;
    std::vector<double> scores;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      positive.push_back(truth[i] == static_cast<std::int64_t>(c));
      scores.push_back(probabilities[i * width + c]);
    }
    one.auroc = score_binary(positive, scores).auroc;
    if (one.auroc) {
      areas += *one.auroc;
      with_area += 1.0;
    }
    out.f1_macro += one.f1;
    out.f1_weighted += one.f1 * margins.truth[c] / margins.all;
    out.classes.push_back(one);
  }
  out.f1_macro /= seen;
  out.balanced_accuracy = recalls / occurring;
  if (with_area > 0.0) {
    out.auroc_macro = areas / with_area;
  }
  return out;
}

}  // namespace medaug
