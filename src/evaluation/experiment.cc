// SPDX-License-Identifier: MIT
#include "evaluation/experiment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "base/strings.h"
#include "config/concat.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Its number goes up with whatever changes what a training gives: runs of before do not count
/// then.
constexpr const char* kFormat = "medaug-experiment-run-2";
constexpr AugmentOptions kUnchanged = {.horizontal_flip = false, .probability = 0.0};
constexpr std::int64_t kBatch = 64;

LabelledImages first(const LabelledImages& images, std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(count, images.size())));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<std::int64_t>(i);
  }
  return chosen(images, indices);
}

/// Each `times` times.
LabelledImages repeated(const LabelledImages& images, std::int64_t times) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < std::max<std::int64_t>(times, 1) * images.size(); ++i) {
    indices.push_back(i % images.size());
  }
  return chosen(images, indices);
}

ExperimentArm mixture(const ExperimentData& data, const LabelledImages& shuffled, double ratio,
                      double real_share) {
  const auto real = static_cast<double>(data.real.size());
  const auto some = first(shuffled, std::max<std::int64_t>(1, std::llround(ratio * real)));
  const auto wanted = real_share / (1.0 - real_share) * static_cast<double>(some.size());
  return {concat({"synthetic_x", Json(ratio).dump()}),
          ArmKind::kSynthetic,
          joined(repeated(data.real, std::llround(wanted / real)), some),
          {},
          data.real.size(),
          some.size()};
}

Json images_json(const LabelledImages& images) {
  return {{"pixels", images.data->content_hash()}, {"classes", images.classes}};
}

/// Everything that decides what a training gives.
std::string key_of(const ExperimentArm& arm, const ExperimentData& data,
                   const ExperimentOptions& options, std::uint64_t seed) {
  Json json{{"format", kFormat},
            {"task", enum_name(options.task)},
            {"seed", seed},
            {"steps", options.steps},
            {"changes", arm.changes_images()},
            {"train", images_json(arm.train)},
            {"before", arm.before ? images_json(*arm.before) : Json()},
            {"val", images_json(data.val)},
            {"test", images_json(data.test)},
            {"preprocess", to_json(data.preprocess)}};
  if (options.task == ExperimentTask::kSegmentation) {
    json["options"] = to_json(options.segmenter);
    json["augment"] = to_json(options.segmenter.augment);
  } else {
    const auto weights = first_weights(options.classifier);
    json["options"] = to_json(options.classifier);
    json["augment"] = to_json(options.classifier.augment);
    json["weights"] = weights ? Json(sha256_file(*weights)) : Json();
  }
  return sha256(json.dump());
}

Json answers_json(const at::Tensor& answers) {
  Json rows = Json::array();
  for (std::int64_t i = 0; i < answers.size(0); ++i) {
    Json row = Json::array();
    for (std::int64_t k = 0; k < answers.size(1); ++k) {
      const auto x = answers[i][k].item<double>();
      row.push_back(std::isfinite(x) ? Json(x) : Json());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

at::Tensor answers_of(const Json& rows) {
  const auto columns = static_cast<std::int64_t>(rows.at(0).size());
  auto out = at::empty({static_cast<std::int64_t>(rows.size()), columns}, at::kDouble);
  auto to = out.accessor<double, 2>();
  for (std::int64_t i = 0; i < out.size(0); ++i) {
    for (std::int64_t k = 0; k < columns; ++k) {
      const auto& x = rows.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(k));
      to[i][k] = x.is_null() ? std::numeric_limits<double>::quiet_NaN() : x.get<double>();
    }
  }
  return out;
}

/// What was written of this training; none = nothing, or nothing that can be read.
std::optional<ExperimentRun> read_run(const fs::path& path, const std::string& key) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    return std::nullopt;
  }
  const auto json = Json::parse(read_file(path, 1LL << 30, ErrorCode::kData), nullptr, false);
  if (!json.is_object() || json.value("key", "") != key) {
    return std::nullopt;
  }
  return ExperimentRun{key,
                       json.at("seed").get<std::uint64_t>(),
                       json.at("val_score").get<double>(),
                       json.at("seconds").get<double>(),
                       true,
                       answers_of(json.at("answers"))};
}

void write_run(const fs::path& path, const ExperimentArm& arm, const ExperimentRun& run) {
  const Json json{{"format", kFormat},
                  {"key", run.key},
                  {"arm", arm.name},
                  {"seed", run.seed},
                  {"val_score", run.val_score},
                  {"seconds", run.seconds},
                  {"answers", answers_json(run.answers)}};
  write_file_atomically(path, json.dump() + "\n");
}

/// Trains the two halves of an arm, or its only part, and asks the result about the test images.
class OneRun {
 public:
  using OnStep = std::function<bool(std::int64_t step)>;

  OneRun(const ExperimentArm& arm, const ExperimentData& data, const ExperimentOptions& options,
         std::uint64_t seed, const OnStep& on_step)
      : arm_(arm), data_(data), options_(options), seed_(seed), on_step_(on_step) {}

  ExperimentRun operator()() {
    const auto start = Clock::now();
    auto run = options_.task == ExperimentTask::kSegmentation ? segmentation() : classification();
    run.seed = seed_;
    run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return run;
  }

 private:
  std::int64_t steps_before() const { return arm_.before ? options_.steps / 2 : 0; }

  template <class Progress>
  auto counted(std::int64_t done) const {
    return [this, done](const Progress& p) {
      if (!on_step_(done + p.step)) {
        throw Error(ErrorCode::kStopped, "experiment", "stopped by request before the end",
                    "finished trainings are kept: the same command goes on");
      }
      return true;
    };
  }

  ExperimentRun segmentation() const {
    auto options = options_.segmenter;
    options.seed = seed_;
    options.augment = arm_.changes_images() ? options.augment : kUnchanged;
    const auto train = [&](const LabelledImages& images, std::int64_t done, std::int64_t steps,
                           const Segmenter* from) {
      options.steps = steps;
      return train_segmenter(images.data, *data_.val.data, data_.preprocess, options,
                             counted<SegmenterProgress>(done), from);
    };
    std::optional<Segmenter> before;
    if (arm_.before) {
      before = train(*arm_.before, 0, steps_before(), nullptr);
    }
    const auto segmenter = train(arm_.train, steps_before(), options_.steps - steps_before(),
                                 before ? &*before : nullptr);
    std::vector<at::Tensor> dice;
    const auto& test = *data_.test.data;
    for (std::int64_t begin = 0; begin < test.size(); begin += kBatch) {
      std::vector<at::Tensor> images, masks;
      for (auto i = begin; i < std::min(begin + kBatch, test.size()); ++i) {
        images.push_back(test.image(i));
        masks.push_back(test.mask(i));
      }
      dice.push_back(class_dice(segmenter.probabilities(at::stack(images)), at::stack(masks)));
    }
    ExperimentRun run;
    run.val_score = segmenter.info().training.at("held_out_dice").get<double>();
    run.answers = at::cat(dice);
    return run;
  }

  ExperimentRun classification() const {
    auto options = options_.classifier;
    options.seed = seed_;
    options.augment = arm_.changes_images() ? options.augment : kUnchanged;
    const auto train = [&](const LabelledImages& images, std::int64_t done, std::int64_t steps,
                           const Classifier* from) {
      options.steps = steps;
      return train_classifier({images, data_.val, data_.classes.names, data_.preprocess}, options,
                              counted<ClassifierProgress>(done), from);
    };
    std::optional<Classifier> before;
    if (arm_.before) {
      before = train(*arm_.before, 0, steps_before(), nullptr);
    }
    const auto classifier = train(arm_.train, steps_before(), options_.steps - steps_before(),
                                  before ? &*before : nullptr);
    ExperimentRun run;
    run.val_score = classifier.info().training.at("val_balanced_acc").get<double>();
    run.answers = classifier.probabilities(*data_.test.data).to(at::kDouble);
    return run;
  }

  const ExperimentArm& arm_;
  const ExperimentData& data_;
  const ExperimentOptions& options_;
  std::uint64_t seed_;
  const OnStep& on_step_;
};

}  // namespace

LabelledImages few_of(const LabelledImages& images, std::int64_t count, std::uint64_t seed) {
  if (count <= 0 || count >= images.size()) {
    return images;
  }
  std::int64_t classes = 0;
  for (const auto one : images.classes) {
    classes = std::max(classes, one + 1);
  }
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(classes));
  for (const auto i : permutation(images.size(), RandomStream(seed, Purpose::kFewLabelled))) {
    members[static_cast<std::size_t>(images.classes[static_cast<std::size_t>(i)])].push_back(i);
  }
  std::vector<std::int64_t> kept;
  for (std::size_t round = 0; std::ssize(kept) < count; ++round) {
    for (const auto& one : members) {
      if (round < one.size() && std::ssize(kept) < count) {
        kept.push_back(one[round]);
      }
    }
  }
  return chosen(images, kept);
}

void refuse_experiment_leaks(const ExperimentData& data) {
  for (const auto* const held_out : {&data.val, &data.test}) {
    refuse_leaks(data.real, *held_out);
    refuse_leaks(data.synthetic, *held_out);
    if (data.generator) {
      refuse_leaks(*data.generator, *held_out);
    }
  }
  refuse_leaks(data.val, data.test);
}

std::vector<ExperimentArm> plan_arms(const ExperimentData& data, const ExperimentOptions& options) {
  const auto shuffled = chosen(
      data.synthetic, permutation(data.synthetic.size(), RandomStream(0, Purpose::kFewLabelled)));
  const double there =
      static_cast<double>(data.synthetic.size()) / static_cast<double>(data.real.size());
  std::vector<double> ratios;
  for (const auto ratio : options.ratios) {
    ratios.push_back(std::min(ratio, std::round(there * 100.0) / 100.0));
  }
  std::sort(ratios.begin(), ratios.end());
  ratios.erase(std::unique(ratios.begin(), ratios.end()), ratios.end());
  std::vector<ExperimentArm> mixtures;
  std::int64_t largest = 2 * data.real.size();
  for (const auto ratio : ratios) {
    mixtures.push_back(mixture(data, shuffled, ratio, options.real_share));
    largest = std::max(largest, mixtures.back().train.size());
  }
  std::vector<ExperimentArm> arms;
  for (const auto kind : options.arms) {
    const std::string name(enum_name(kind));
    const auto real = data.real.size(), synthetic = shuffled.size();
    switch (kind) {
      case ArmKind::kReal:
      case ArmKind::kClassic:
        arms.push_back({name, kind, data.real, {}, real, 0});
        break;
      case ArmKind::kDuplicated:
        arms.push_back({name, kind, repeated(data.real, (largest + real - 1) / real), {}, real, 0});
        break;
      case ArmKind::kSynthetic:
        arms.insert(arms.end(), mixtures.begin(), mixtures.end());
        break;
      case ArmKind::kSyntheticOnly:
        arms.push_back({name, kind, shuffled, {}, 0, synthetic});
        break;
      case ArmKind::kPretrained:
        arms.push_back({name, kind, data.real, shuffled, real, synthetic});
        break;
    }
  }
  if (arms.empty()) {
    throw Error(ErrorCode::kUsage, "experiment", "no arm is left to train",
                "leave --arms out, or give --ratios with the arm 'synthetic'");
  }
  return arms;
}

std::vector<std::vector<ExperimentRun>> run_arms(
    const std::vector<ExperimentArm>& arms, const ExperimentData& data,
    const ExperimentOptions& options, const fs::path& folder,
    const std::function<bool(const ExperimentProgress&)>& on_step) {
  make_folders(folder);
  ExperimentProgress progress;
  progress.runs = std::ssize(arms) * options.seeds;
  progress.steps = options.steps;
  const OneRun::OnStep step = [&](std::int64_t done) {
    progress.step = done;
    return !on_step || on_step(progress);
  };
  std::vector<std::vector<ExperimentRun>> runs(arms.size());
  // Seed by seed: what is stopped early compares all arms already.
  for (std::uint64_t seed = 0; std::cmp_less(seed, options.seeds); ++seed) {
    for (std::size_t a = 0; a < arms.size(); ++a, ++progress.run) {
      progress.arm = arms[a].name;
      const auto key = key_of(arms[a], data, options, seed);
      const auto path = folder / concat({key.substr(0, 16), ".json"});
      auto run = read_run(path, key);
      if (!run) {
        run = OneRun(arms[a], data, options, seed, step)();
        run->key = key;
        write_run(path, arms[a], *run);
      }
      runs[a].push_back(std::move(*run));
    }
  }
  return runs;
}

}  // namespace medaug
