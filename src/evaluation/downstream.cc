// SPDX-License-Identifier: MIT
#include "evaluation/downstream.h"

#include <ATen/ATen.h>

#include <chrono>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace medaug {
namespace {

using Clock = std::chrono::steady_clock;

/// Which images a run got right.
std::vector<bool> right_answers(const Answers& answers, const std::vector<std::int64_t>& classes) {
  const auto predicted = answers.probabilities.argmax(1);
  std::vector<bool> right;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    right.push_back(predicted[static_cast<std::int64_t>(i)].item<std::int64_t>() == classes[i]);
  }
  return right;
}

/// What one arm got right, run by run, minus what the other did: -1, 0 or 1 for each image.
using Gains = std::vector<std::vector<int>>;

Gains gains_of(const Arm& a, const Arm& b, const std::vector<std::int64_t>& classes, Split split) {
  Gains gains;
  for (std::size_t run = 0; run < a.runs.size(); ++run) {
    const auto before = right_answers(answers_of(a.runs[run], split), classes);
    const auto behind = right_answers(answers_of(b.runs[run], split), classes);
    auto& row = gains.emplace_back();
    for (std::size_t i = 0; i < before.size(); ++i) {
      row.push_back(static_cast<int>(behind[i]) - static_cast<int>(before[i]));
    }
  }
  return gains;
}

/// Mean gain over weighted images and runs, in points: of all images, and as the mean over classes.
std::pair<double, double> gain_of(const Gains& gains, const std::vector<double>& run_weights,
                                  const std::vector<double>& image_weights,
                                  const std::vector<std::int64_t>& classes) {
  std::map<std::int64_t, std::pair<double, double>> by_class;  // gain, weight
  double all = 0.0, weight = 0.0, runs = 0.0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (image_weights[i] == 0.0) {
      continue;
    }
    double gain = 0.0;
    for (std::size_t run = 0; run < gains.size(); ++run) {
      gain += run_weights[run] * gains[run][i];
    }
    auto& one = by_class[classes[i]];
    one.first += image_weights[i] * gain;
    one.second += image_weights[i];
    all += image_weights[i] * gain;
    weight += image_weights[i];
  }
  for (const double one : run_weights) {
    runs += one;
  }
  double recalls = 0.0;
  for (const auto& [name, one] : by_class) {
    recalls += one.first / one.second / static_cast<double>(by_class.size());
  }
  return {100.0 * all / weight / runs, 100.0 * recalls / runs};
}

ScoreDifference summary_of(double points, const std::vector<double>& resampled) {
  return {points, {quantile(resampled, 0.025), quantile(resampled, 0.975)}};
}

Answers ask(const Classifier& classifier, const LabelledImages& split) {
  Answers answers{classifier.probabilities(*split.data), {}};
  answers.scores = scores_of(answers.probabilities, split.classes);
  return answers;
}

}  // namespace

std::string_view ScoreDifference::verdict() const {
  if (interval.low > 0.0) {
    return "better";
  }
  return interval.high < 0.0 ? "worse" : "inside the noise";
}

std::vector<Arm> compare_arms(const DownstreamData& data, const DownstreamOptions& options,
                              const std::function<bool(const DownstreamProgress&)>& on_step) {
  std::vector<Arm> arms;
  std::vector<LabelledImages> sets{data.original};
  if (data.augmented) {
    sets.push_back(joined(data.original, *data.augmented));
  }
  DownstreamProgress progress;
  progress.runs = std::ssize(sets) * options.seeds;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    Arm arm{i == 0 ? "original_only" : "original_plus_augmented",
            sets[i].size(),
            class_counts(sets[i], data.classes.size()),
            0,
            {}};
    const ClassifierTask task{sets[i], data.val, data.classes.names, data.preprocess};
    auto one = options.classifier;
    arm.steps = classifier_steps(one, options.equal_epochs ? arm.images : data.original.size());
    one.steps = arm.steps;
    progress.arm = arm.name;
    for (std::int64_t run = 0; run < options.seeds; ++run, ++progress.run) {
      const auto start = Clock::now();
      bool stopped = false;
      auto classifier = train_classifier(task, one, [&](const ClassifierProgress& p) {
        progress.training = p;
        stopped = on_step && !on_step(progress);
        return !stopped;
      });
      if (stopped) {
        throw Error(ErrorCode::kStopped, "classify", "stopped by request before the end",
                    "nothing was written; the same command begins again");
      }
      const std::chrono::duration<double> seconds = Clock::now() - start;
      auto val = ask(classifier, data.val);
      auto test = data.test ? std::optional(ask(classifier, *data.test)) : std::nullopt;
      arm.runs.push_back(
          {one.seed, std::move(classifier), std::move(val), std::move(test), seconds.count()});
      ++one.seed;
    }
    arms.push_back(std::move(arm));
  }
  return arms;
}

const Answers& answers_of(const ArmRun& run, Split split) {
  return split == Split::kVal ? run.val : run.test.value();
}

SplitDifference difference(const Arm& a, const Arm& b, const LabelledImages& images, Split split) {
  const auto gains = gains_of(a, b, images.classes, split);
  const auto units = resampling_units(images);
  std::vector<double> accuracy, balanced_accuracy;
  for (int resample = 0; resample < kResamples; ++resample) {
    RandomStream draws(0, Purpose::kBootstrap, static_cast<std::uint64_t>(resample));
    std::vector<double> runs(gains.size(), 0.0), weights(images.classes.size(), 0.0);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      runs[draws.below(runs.size())] += 1.0;
    }
    for (std::size_t i = 0; i < units.size(); ++i) {
      for (const auto image : units[draws.below(units.size())]) {
        weights[image] += 1.0;
      }
    }
    const auto [all, by_class] = gain_of(gains, runs, weights, images.classes);
    accuracy.push_back(all);
    balanced_accuracy.push_back(by_class);
  }
  const auto [all, by_class] =
      gain_of(gains, std::vector<double>(gains.size(), 1.0),
              std::vector<double>(images.classes.size(), 1.0), images.classes);
  return {summary_of(all, accuracy), summary_of(by_class, balanced_accuracy)};
}

}  // namespace medaug
