// SPDX-License-Identifier: MIT
#include "evaluation/experiment_report.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/files.h"
#include "base/random.h"
#include "base/strings.h"
#include "config/concat.h"
#include "evaluation/statistics.h"

namespace medaug {
namespace {

using Scores = std::vector<std::pair<std::string, double>>;

Scores dice_scores(const at::Tensor& answers, const std::vector<std::int64_t>& images,
                   const std::vector<std::string>& names) {
  const auto dice = answers.accessor<double, 2>();
  std::vector<double> sums(static_cast<std::size_t>(dice.size(1)), 0.0), counts(sums.size(), 0.0);
  for (const auto i : images) {
    for (std::size_t k = 0; k < sums.size(); ++k) {
      if (const auto x = dice[i][static_cast<std::int64_t>(k)]; std::isfinite(x)) {
        sums[k] += x;
        counts[k] += 1.0;
      }
    }
  }
  const auto total = [](const std::vector<double>& x) {
    return std::accumulate(x.begin(), x.end(), 0.0);
  };
  Scores scores{{"dice", total(sums) / total(counts)}};
  for (std::size_t k = 0; k < sums.size() && sums.size() > 1; ++k) {
    scores.emplace_back("dice " + (k < names.size() ? names[k] : std::to_string(k + 1)),
                        sums[k] / counts[k]);
  }
  return scores;
}

Scores class_scores(const at::Tensor& answers, const std::vector<std::int64_t>& truth,
                    const std::vector<std::int64_t>& images) {
  const auto p = answers.accessor<double, 2>();
  std::vector<std::int64_t> classes;
  std::vector<double> probabilities;
  for (const auto i : images) {
    classes.push_back(truth[static_cast<std::size_t>(i)]);
    for (std::int64_t k = 0; k < p.size(1); ++k) {
      probabilities.push_back(p[i][k]);
    }
  }
  const auto all = score_classes(classes, probabilities, p.size(1));
  return {{"balanced_accuracy", all.balanced_accuracy},
          {"auroc_macro", all.auroc_macro.value_or(std::nan(""))},
          {"f1_macro", all.f1_macro},
          {"accuracy", all.accuracy}};
}

/// One value of each score (or each difference of scores) for each resample.
using Resampled = std::map<std::string, std::vector<double>>;

/// Scores of all arms: with all images and seeds, and in every resample.
struct Table {
  std::vector<std::string> names;                    ///< of the scores, the first decides
  std::vector<std::map<std::string, double>> means;  ///< [arm]
  std::vector<std::map<std::string, std::vector<double>>> by_seed;  ///< [arm]
  std::vector<Resampled> resampled;                                 ///< [arm]
};

class Scorer {
 public:
  Scorer(const ExperimentData& data, const ExperimentOptions& options,
         const std::vector<std::vector<ExperimentRun>>& runs)
      : data_(data), options_(options), runs_(runs) {}

  Table table() const {
    Table table;
    std::vector<std::int64_t> images(static_cast<std::size_t>(data_.test.size()));
    std::iota(images.begin(), images.end(), 0);
    std::vector<std::size_t> seeds(runs_.front().size());
    std::iota(seeds.begin(), seeds.end(), 0);
    for (const auto& one : scores(runs_.front().front(), images)) {
      table.names.push_back(one.first);
    }
    for (const auto& arm : runs_) {
      table.means.push_back(mean(arm, seeds, images));
      auto& by_seed = table.by_seed.emplace_back();
      for (const auto& run : arm) {
        for (const auto& [name, value] : scores(run, images)) {
          by_seed[name].push_back(value);
        }
      }
    }
    table.resampled.resize(runs_.size());
    const auto units = resampling_units(data_.test);
    for (int resample = 0; resample < kResamples; ++resample) {
      RandomStream draws(0, Purpose::kBootstrap, static_cast<std::uint64_t>(resample));
      for (auto& seed : seeds) {
        seed = draws.below(seeds.size());
      }
      images.clear();
      for (std::size_t i = 0; i < units.size(); ++i) {
        const auto& unit = units[draws.below(units.size())];
        images.insert(images.end(), unit.begin(), unit.end());
      }
      for (std::size_t a = 0; a < runs_.size(); ++a) {
        for (const auto& [name, value] : mean(runs_[a], seeds, images)) {
          table.resampled[a][name].push_back(value);
        }
      }
    }
    return table;
  }

 private:
  Scores scores(const ExperimentRun& run, const std::vector<std::int64_t>& images) const {
    return experiment_scores(options_.task, run.answers, data_.test.classes, images,
                             data_.preprocess.class_names);
  }
  /// Over the seeds that were drawn, each as often as it was.
  std::map<std::string, double> mean(const std::vector<ExperimentRun>& arm,
                                     const std::vector<std::size_t>& seeds,
                                     const std::vector<std::int64_t>& images) const {
    std::vector<double> weights(arm.size(), 0.0);
    for (const auto seed : seeds) {
      weights[seed] += 1.0 / static_cast<double>(seeds.size());
    }
    std::map<std::string, double> out;
    for (std::size_t i = 0; i < arm.size(); ++i) {
      if (weights[i] > 0.0) {
        for (const auto& [name, value] : scores(arm[i], images)) {
          out[name] += weights[i] * value;
        }
      }
    }
    return out;
  }

  const ExperimentData& data_;
  const ExperimentOptions& options_;
  const std::vector<std::vector<ExperimentRun>>& runs_;
};

Json or_null(double x) { return std::isfinite(x) ? Json(x) : Json(); }

/// The middle 95 % of what is finite.
Json interval_json(std::vector<double> values) {
  std::erase_if(values, [](double x) { return !std::isfinite(x); });
  return values.empty() ? Json() : Json{quantile(values, 0.025), quantile(values, 0.975)};
}

Json arm_json(const ExperimentArm& arm, const std::vector<ExperimentRun>& runs, const Table& table,
              std::size_t a) {
  Json out{{"control", arm.is_control()},
           {"real_images", arm.real},
           {"synthetic_images", arm.synthetic},
           {"images_of_an_epoch", arm.train.size()}};
  for (const auto& name : table.names) {
    const auto& values = table.by_seed[a].at(name);
    out["test"][name] = {{"n", values.size()},
                         {"mean", or_null(table.means[a].at(name))},
                         {"std", or_null(summarise(values).deviation)},
                         {"ci95", interval_json(table.resampled[a].at(name))}};
  }
  double val = 0.0, seconds = 0.0;
  Json each = Json::array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    val += runs[i].val_score / static_cast<double>(runs.size());
    seconds += runs[i].seconds;
    each.push_back({{"seed", runs[i].seed},
                    {"val", runs[i].val_score},
                    {"test", or_null(table.by_seed[a].at(table.names.front())[i])},
                    {"seconds", runs[i].seconds},
                    {"key", runs[i].key}});
  }
  out["val_score"] = val;
  out["seconds"] = seconds;
  out["runs"] = std::move(each);
  return out;
}

/// In points of a hundred.
Json difference_json(const Table& table, const std::string& name, std::size_t from,
                     std::size_t to) {
  std::vector<double> differences;
  const auto &a = table.resampled[from].at(name), &b = table.resampled[to].at(name);
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences.push_back(100.0 * (b[i] - a[i]));
  }
  const auto interval = interval_json(differences);
  std::string verdict = "inside the noise";
  if (!interval.is_null() && interval[0].get<double>() > 0.0) {
    verdict = "better";
  } else if (!interval.is_null() && interval[1].get<double>() < 0.0) {
    verdict = "worse";
  }
  return {{"points", or_null(100.0 * (table.means[to].at(name) - table.means[from].at(name)))},
          {"points_ci95", interval},
          {"verdict", verdict}};
}

Json set_json(const LabelledImages& images) {
  return {{"manifest", images.name},
          {"manifest_sha256", sha256_file(images.name)},
          {"images", images.size()},
          {"left_out", images.skipped}};
}

Json data_json(const ExperimentData& data) {
  Json out{{"real", set_json(data.real)},
           {"synthetic", set_json(data.synthetic)},
           {"val", set_json(data.val)},
           {"test", set_json(data.test)}};
  out["synthetic"]["copies_of_real_left_out"] = data.copies_left_out;
  out["generator"] = Json();
  if (data.generator) {
    out["generator"] = set_json(*data.generator);
    out["generator"]["images_not_in_real"] = without_copies(*data.generator, data.real).size();
  }
  return out;
}

/// The arm of these with the largest value. @return its place, or none of them
template <class Chosen, class Value>
std::optional<std::size_t> best_of(std::size_t count, Chosen is_chosen, Value value) {
  std::optional<std::size_t> best;
  for (std::size_t a = 0; a < count; ++a) {
    if (is_chosen(a) && (!best || value(a) > value(*best))) {
      best = a;
    }
  }
  return best;
}

std::string points_text(const Json& d) {
  const auto& ci = d.at("points_ci95");
  return concat(
      {d.at("points").is_null() ? "-" : formatted("%+.1f points", d.at("points").get<double>()),
       ci.is_null() ? ""
                    : concat({" [", formatted("%+.1f", ci[0].get<double>()), ", ",
                              formatted("%+.1f", ci[1].get<double>()), "]"}),
       ": ", d.at("verdict").get<std::string>()});
}

std::string cell(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

std::string score_cell(const Json& s) {
  if (s.at("mean").is_null()) {
    return "-";
  }
  auto text = formatted("%.3f", s.at("mean").get<double>());
  if (const auto& ci = s.at("ci95"); !ci.is_null()) {
    text += concat({" [", formatted("%.3f", ci[0].get<double>()), ", ",
                    formatted("%.3f", ci[1].get<double>()), "]"});
  }
  return text;
}

}  // namespace

Scores experiment_scores(ExperimentTask task, const at::Tensor& answers,
                         const std::vector<std::int64_t>& truth,
                         const std::vector<std::int64_t>& images,
                         const std::vector<std::string>& mask_classes) {
  return task == ExperimentTask::kSegmentation ? dice_scores(answers, images, mask_classes)
                                               : class_scores(answers, truth, images);
}

Json experiment_json(const ExperimentData& data, const ExperimentOptions& options,
                     const std::vector<ExperimentArm>& arms,
                     const std::vector<std::vector<ExperimentRun>>& runs) {
  const auto table = Scorer(data, options, runs).table();
  const auto& decides = table.names.front();
  Json out{{"format", "medaug-experiment-1"}, {"task", enum_name(options.task)}};
  auto& list = out["arms"] = Json::object();
  for (std::size_t a = 0; a < arms.size(); ++a) {
    list[arms[a].name] = arm_json(arms[a], runs[a], table, a);
  }
  const auto control = best_of(
      arms.size(), [&](std::size_t a) { return arms[a].is_control(); },
      [&](std::size_t a) { return table.means[a].at(decides); });
  const auto helped = best_of(
      arms.size(), [&](std::size_t a) { return !arms[a].is_control(); },
      [&](std::size_t a) { return list.at(arms[a].name).at("val_score").template get<double>(); });
  out["verdict"] = Json();
  if (control && helped) {
    auto& differences = out["differences"] = Json::object();
    for (std::size_t a = 0; a < arms.size(); ++a) {
      if (!arms[a].is_control()) {
        for (const auto& name : table.names) {
          differences[arms[a].name][name] = difference_json(table, name, *control, a);
        }
      }
    }
    const auto& d = differences.at(arms[*helped].name).at(decides);
    out["verdict"] = {{"score", decides},
                      {"control", arms[*control].name},
                      {"arm", arms[*helped].name},
                      {"points", d.at("points")},
                      {"points_ci95", d.at("points_ci95")},
                      {"text", d.at("verdict")}};
  }
  out["steps"] = options.steps;
  out["seeds"] = options.seeds;
  out["real_share"] = options.real_share;
  out["data"] = data_json(data);
  if (options.task == ExperimentTask::kSegmentation) {
    out["options"] = to_json(options.segmenter);
    out["augment"] = to_json(options.segmenter.augment);
  } else {
    out["options"] = to_json(options.classifier);
    out["augment"] = to_json(options.classifier.augment);
    out["classes"] = data.classes.names;
  }
  return out;
}

std::string experiment_text(const Json& report) {
  const auto& arms = report.at("arms");
  const auto& names = arms.front().at("test");
  auto text = concat({cell("", 18), cell("real", 7), cell("synthetic", 11), cell("val", 8)});
  for (const auto& [name, value] : names.items()) {
    text += cell("test " + name, 24);
  }
  text += "\n";
  for (const auto& [name, arm] : arms.items()) {
    text +=
        concat({cell(name, 18), cell(std::to_string(arm.at("real_images").get<std::int64_t>()), 7),
                cell(std::to_string(arm.at("synthetic_images").get<std::int64_t>()), 11),
                cell(formatted("%.3f", arm.at("val_score").get<double>()), 8)});
    for (const auto& [score, value] : arm.at("test").items()) {
      text += cell(score_cell(value), 24);
    }
    text += "\n";
  }
  text += concat({"\n", std::to_string(report.at("steps").get<std::int64_t>()), " steps, ",
                  std::to_string(report.at("seeds").get<std::int64_t>()),
                  " seeds, 95 % intervals over test images and seeds\n"});
  const auto& generator = report.at("data").at("generator");
  if (generator.is_null()) {
    text +=
        "nothing is known of what the generator was trained on: --generator-training MANIFEST\n";
  } else if (const auto more = generator.at("images_not_in_real").get<std::int64_t>(); more > 0) {
    text += concat(
        {"the generator saw ", std::to_string(more), " images that the real arms do not have\n"});
  }
  const auto& verdict = report.at("verdict");
  if (!verdict.is_null()) {
    text += concat({"verdict: ", verdict.at("arm").get<std::string>(),
                    " (chosen on validation) against ", verdict.at("control").get<std::string>(),
                    " (the best without synthetic images), test ",
                    verdict.at("score").get<std::string>(), ": ",
                    concat({points_text({{"points", verdict.at("points")},
                                         {"points_ci95", verdict.at("points_ci95")},
                                         {"verdict", verdict.at("text")}}),
                            "\n"})});
  }
  return text;
}

}  // namespace medaug
