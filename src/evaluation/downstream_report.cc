// SPDX-License-Identifier: MIT
#include "evaluation/downstream_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>

#include "base/files.h"
#include "config/concat.h"

namespace medaug {
namespace {

struct Score {
  const char* name;
  double ClassificationScores::* value;
};
constexpr std::array<Score, 8> kScores{
    {{"accuracy", &ClassificationScores::accuracy},
     {"balanced_accuracy", &ClassificationScores::balanced_accuracy},
     {"f1_macro", &ClassificationScores::f1_macro},
     {"f1_weighted", &ClassificationScores::f1_weighted},
     {"kappa", &ClassificationScores::kappa},
     {"kappa_quadratic", &ClassificationScores::kappa_quadratic},
     {"mcc", &ClassificationScores::mcc},
     {"log_loss", &ClassificationScores::log_loss}}};

Json or_null(const std::optional<double>& x) { return x ? Json(*x) : Json(); }

Json scores_json(const ClassificationScores& scores, const std::vector<std::string>& names) {
  Json out;
  for (const auto& score : kScores) {
    out[score.name] = scores.*score.value;
  }
  out["auroc_macro"] = or_null(scores.auroc_macro);
  auto& classes = out["classes"] = Json::object();
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto& one = scores.classes[c];
    classes[names[c]] = {{"images", one.count},
                         {"precision", or_null(one.precision)},
                         {"recall", or_null(one.recall)},
                         {"f1", one.f1},
                         {"auroc", or_null(one.auroc)}};
  }
  out["confusion_rows_true"] = scores.confusion;
  return out;
}

/// Mean and deviation over the runs of each score.
Json summary_json(const Arm& arm, Split split) {
  Json out;
  const auto add =
      [&](const char* name,
          const std::function<std::optional<double>(const ClassificationScores&)>& value) {
        std::vector<double> values;
        for (const auto& run : arm.runs) {
          if (const auto x = value(answers_of(run, split).scores)) {
            values.push_back(*x);
          }
        }
        const auto all = summarise(values);
        out[name] = values.empty() ? Json()
                                   : Json{{"mean", all.mean},
                                          {"deviation", all.deviation},
                                          {"low", all.low},
                                          {"high", all.high}};
      };
  for (const auto& score : kScores) {
    add(score.name, [&score](const ClassificationScores& s) { return s.*score.value; });
  }
  add("auroc_macro", [](const ClassificationScores& s) { return s.auroc_macro; });
  return out;
}

Json counts_json(const std::vector<std::int64_t>& counts, const std::vector<std::string>& names) {
  Json out = Json::object();
  for (std::size_t c = 0; c < names.size(); ++c) {
    out[names[c]] = counts[c];
  }
  return out;
}

Json run_json(const ArmRun& run, const std::vector<std::string>& names) {
  const auto& training = run.classifier.info().training;
  Json out{{"seed", run.seed},
           {"best_epoch", training.at("best_epoch")},
           {"best_step", training.at("best_step")},
           {"seconds", run.seconds},
           {"val", scores_json(run.val.scores, names)}};
  if (run.test) {
    out["test"] = scores_json(run.test->scores, names);
  }
  out["history"] = training.at("history");
  return out;
}

Json arm_json(const Arm& arm, const DownstreamData& data) {
  Json runs = Json::array();
  double seconds = 0.0;
  for (const auto& run : arm.runs) {
    runs.push_back(run_json(run, data.classes.names));
    seconds += run.seconds;
  }
  const auto val = summary_json(arm, Split::kVal);
  Json out{{"best_val_acc", val.at("accuracy").at("mean")},
           {"best_val_balanced_acc", val.at("balanced_accuracy").at("mean")},
           {"images", arm.images},
           {"classes", counts_json(arm.class_counts, data.classes.names)},
           {"steps", arm.steps},
           {"seconds", seconds},
           {"val", val}};
  if (data.test) {
    out["test"] = summary_json(arm, Split::kTest);
  }
  out["runs"] = std::move(runs);
  return out;
}

Json set_json(const LabelledImages& images, const ClassList& classes) {
  char hash[32];
  std::snprintf(hash, sizeof hash, "%016llx",
                static_cast<unsigned long long>(images.data->content_hash()));
  return {{"manifest", images.name},
          {"manifest_sha256", sha256_file(images.name)},
          {"pixels_hash", hash},
          {"images", images.size()},
          {"without_label", images.skipped},
          {"classes", counts_json(class_counts(images, classes.size()), classes.names)}};
}

Json data_json(const DownstreamData& data) {
  Json out{{"original", set_json(data.original, data.classes)}};
  if (data.augmented) {
    out["augmented"] = set_json(*data.augmented, data.classes);
    out["augmented"]["copies_left_out"] = data.copies_left_out;
  }
  out["val"] = set_json(data.val, data.classes);
  if (data.test) {
    out["test"] = set_json(*data.test, data.classes);
  }
  return out;
}

double rounded(double points) { return std::round(points * 1e4) / 1e4; }

Json difference_json(const ScoreDifference& difference) {
  return {{"points", rounded(difference.points)},
          {"low", rounded(difference.interval.low)},
          {"high", rounded(difference.interval.high)},
          {"verdict", difference.verdict()}};
}

Json split_json(const SplitDifference& difference) {
  return {{"accuracy", difference_json(difference.accuracy)},
          {"balanced_accuracy", difference_json(difference.balanced_accuracy)}};
}

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string cell(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

/// "72.3 +- 1.2 %", or "72.3 %" of a single run
std::string score_text(const Json& arm, const char* split, const char* score) {
  const auto& s = arm.at(split).at(score);
  const auto mean = number(100.0 * s.at("mean").get<double>(), "%.1f");
  return arm.at("runs").size() > 1
             ? mean + number(100.0 * s.at("deviation").get<double>(), " +- %.1f %%")
             : mean + " %";
}

std::string difference_text(const Json& d) {
  return concat({number(d.at("points").get<double>(), "%+.2f points ["),
                 number(d.at("low").get<double>(), "%+.2f, "),
                 number(d.at("high").get<double>(), "%+.2f]"), ": ",
                 d.at("verdict").get<std::string>()});
}

std::string head_line(const Json& arm) {
  auto line = concat({cell("", 24), cell("images", 8), cell("steps", 8)});
  for (const char* const split : {"val", "test"}) {
    if (arm.contains(split)) {
      line += cell(concat({split, " accuracy"}), 17) + cell(concat({split, " balanced"}), 17);
    }
  }
  return line + "\n";
}

std::string arm_line(const char* title, const Json& arm) {
  auto line =
      concat({cell(title, 24), cell(std::to_string(arm.at("images").get<std::int64_t>()), 8),
              cell(std::to_string(arm.at("steps").get<std::int64_t>()), 8)});
  for (const char* const split : {"val", "test"}) {
    if (arm.contains(split)) {
      line += cell(score_text(arm, split, "accuracy"), 17) +
              cell(score_text(arm, split, "balanced_accuracy"), 17);
    }
  }
  return line + "\n";
}

}  // namespace

Json downstream_json(const DownstreamData& data, const DownstreamOptions& options,
                     const std::vector<Arm>& arms) {
  const auto& info = arms.front().runs.front().classifier.info();
  const bool pretrained = !info.training.at("weights_sha256").is_null();
  Json out{{"original_only", arm_json(arms.front(), data)},
           {"original_plus_augmented", nullptr},
           {"improvement_percent", nullptr}};
  if (arms.size() > 1) {
    const auto& other = out["original_plus_augmented"] = arm_json(arms.back(), data);
    const auto points = [](const Json& arm) {
      return 100.0 * arm.at("best_val_acc").get<double>();
    };
    out["improvement_percent"] = rounded(points(other) - points(out["original_only"]));
    auto& improvement = out["improvement"];
    improvement["val"] = split_json(difference(arms.front(), arms.back(), data.val, Split::kVal));
    if (data.test) {
      improvement["test"] =
          split_json(difference(arms.front(), arms.back(), *data.test, Split::kTest));
    }
    const char* const decides = data.test ? "test" : "val";
    out["verdict"] = {{"split", decides},
                      {"score", "balanced_accuracy"},
                      {"text", improvement.at(decides).at("balanced_accuracy").at("verdict")}};
  }
  out["classes"] = data.classes.names;
  out["data"] = data_json(data);
  out["network"] = {{"name", enum_name(info.network)},
                    {"pretrained", pretrained},
                    {"weights", info.training.at("weights")},
                    {"weights_sha256", info.training.at("weights_sha256")},
                    {"input_side", info.input_side},
                    {"image_size", {info.preprocess.height(), info.preprocess.width()}},
                    {"channels", info.preprocess.channels}};
  out["seeds"] = options.seeds;
  out["budget"] = options.equal_epochs ? "equal epochs: the arm with more images takes more steps"
                                       : "equal steps: both arms take as many as the original data "
                                         "needs for its epochs";
  out["options"] = info.training.at("options");
  out["options"]["epochs"] = options.classifier.epochs;
  out["augment"] = info.training.at("augment");
  return out;
}

std::string downstream_text(const Json& report) {
  const auto& network = report.at("network");
  const auto& original = report.at("original_only");
  const auto seeds = report.at("seeds").get<std::int64_t>();
  auto text =
      concat({network.at("name").get<std::string>(), ", ", network.at("weights").get<std::string>(),
              ", ", std::to_string(report.at("classes").size()), " classes, ",
              std::to_string(seeds), seeds == 1 ? " seed\n\n" : " seeds\n\n", head_line(original),
              arm_line("original only", original)});
  if (report.at("original_plus_augmented").is_null()) {
    return text;
  }
  text += concat(
      {arm_line("original + augmented", report.at("original_plus_augmented")), "\n",
       report.at("budget").get<std::string>(), "\nimprovement, 95 % interval over ",
       seeds == 1 ? "the images alone (more --seeds: over trainings too)" : "images and seeds",
       ":\n"});
  for (const auto& [split, scores] : report.at("improvement").items()) {
    for (const auto& [score, d] : scores.items()) {
      text += concat({"  ", cell(concat({split, " ", score}), 24), difference_text(d), "\n"});
    }
  }
  const auto& verdict = report.at("verdict");
  return text + concat({"verdict by balanced accuracy on ", verdict.at("split").get<std::string>(),
                        ": ", verdict.at("text").get<std::string>(), "\n"});
}

}  // namespace medaug
