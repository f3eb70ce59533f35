// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

// Scores of a classifier from the true classes and the probabilities it gave, as scikit-learn
// defines them.

namespace medaug {

struct ClassScores {
  std::int64_t count = 0;           ///< images of the class
  std::optional<double> precision;  ///< none when the class was never predicted
  std::optional<double> recall;     ///< none when no image has the class
  double f1 = 0.0;                  ///< 0 when neither happened
  std::optional<double> auroc;      ///< against all other classes; none when there is only one side
};

struct ClassificationScores {
  double accuracy = 0.0;
  double balanced_accuracy = 0.0;     ///< mean recall of the classes that occur
  double f1_macro = 0.0;              ///< over the classes that occur or were predicted
  double f1_weighted = 0.0;           ///< by the images of the classes
  double kappa = 0.0;                 ///< Cohen's
  double kappa_quadratic = 0.0;       ///< for ordered classes
  double mcc = 0.0;                   ///< Matthews' correlation, several classes
  double log_loss = 0.0;              ///< mean of -ln p(true class)
  std::optional<double> auroc_macro;  ///< mean over the classes, one against the rest
  std::vector<ClassScores> classes;
  std::vector<std::vector<std::int64_t>> confusion;  ///< [true][predicted]
};

/// @param truth          N classes in [0, classes)
/// @param probabilities  (N, classes), rows sum to 1; the largest is the prediction (the first of
///                       equals)
ClassificationScores score_classes(std::span<const std::int64_t> truth,
                                   std::span<const double> probabilities, std::int64_t classes);

/// Of a score that should be high where `positive` is true.
struct BinaryScores {
  std::optional<double> auroc;  ///< none when only one side occurs; equal scores count half
  double average_precision = 0.0;
  double brier = 0.0;  ///< mean of (score - truth)^2
};
BinaryScores score_binary(const std::vector<bool>& positive, std::span<const double> scores);

}  // namespace medaug
