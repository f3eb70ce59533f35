// SPDX-License-Identifier: MIT
#include "evaluation/experiment.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "evaluation/experiment_report.h"
#include "evaluation/test_images.h"
#include "image/test_files.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::labelled;
using testing::test_images;
using testing::TestImages;

ExperimentData data_of(std::int64_t real, std::int64_t synthetic) {
  ExperimentData data;
  data.real = test_images(real, 1, "real");
  data.synthetic = test_images(synthetic, 2, "synthetic");
  data.val = test_images(16, 3, "val");
  data.test = test_images(20, 4, "test");
  data.classes = {{0, 1}, {"top", "bottom"}};
  data.preprocess = testing::test_preprocess();
  return data;
}

ExperimentOptions short_options() {
  ExperimentOptions options;
  options.task = ExperimentTask::kClassification;
  options.classifier = testing::test_options();
  options.ratios = {1.0, 3.0};
  options.seeds = 2;
  options.steps = 4;
  return options;
}

TEST(FewOf, IsEvenOverTheClassesAndTheSameForTheSameSeed) {
  const auto images = test_images(40, 1);
  const auto few = few_of(images, 10, 7);
  EXPECT_THAT(class_counts(few, 2), ElementsAre(5, 5));
  const auto again = few_of(images, 10, 7), other = few_of(images, 10, 8);
  EXPECT_EQ(few.data->content_hash(), again.data->content_hash());
  EXPECT_NE(few.data->content_hash(), other.data->content_hash());
  EXPECT_EQ(few_of(images, 0, 7).size(), 40);
}

TEST(PlanArms, GivesEachArmItsImages) {
  const auto arms = plan_arms(data_of(10, 40), short_options());
  std::vector<std::string> names;
  for (const auto& arm : arms) {
    names.push_back(arm.name);
  }
  EXPECT_THAT(names, ElementsAre("real", "classic", "duplicated", "synthetic_x1.0",
                                 "synthetic_x3.0", "synthetic_only", "pretrained"));
  EXPECT_EQ(arms[2].train.size(), 60);  // as many as the largest mixture has
  EXPECT_EQ(arms[2].real, 10);
  EXPECT_EQ(arms[3].train.size(), 20);
  EXPECT_EQ(arms[4].synthetic, 30);
  EXPECT_EQ(arms[4].train.size(), 60);  // the ten real ones three times: half of the mixture
  EXPECT_EQ(arms[5].train.size(), 40);
  EXPECT_EQ(arms[6].before->size(), 40);
  EXPECT_FALSE(arms[0].changes_images());
  EXPECT_TRUE(arms[1].changes_images());
}

TEST(PlanArms, ARatioBeyondWhatThereIsTakesAllOnce) {
  auto options = short_options();
  options.ratios = {1.0, 10.0, 100.0};
  options.arms = {ArmKind::kSynthetic};
  const auto arms = plan_arms(data_of(10, 40), options);
  ASSERT_EQ(arms.size(), 2U);
  EXPECT_EQ(arms[1].synthetic, 40);
}

TEST(ExperimentLeaks, OfTheGeneratorAreRefused) {
  auto data = data_of(8, 8);
  EXPECT_NO_THROW(refuse_experiment_leaks(data));
  data.generator = test_images(4, 4, "generator");  // the test images' seed
  EXPECT_THROW(refuse_experiment_leaks(data), Error);
}

TEST(RunArms, GoesOnBehindTheLastFinishedTraining) {
  const testing::TempFolder folder;
  const auto data = data_of(8, 8);
  auto options = short_options();
  options.arms = {ArmKind::kClassic, ArmKind::kPretrained};
  const auto arms = plan_arms(data, options);
  std::int64_t steps = 0;
  const auto run = [&](std::int64_t most) {
    steps = 0;
    return run_arms(arms, data, options, folder.path(),
                    [&](const ExperimentProgress&) { return ++steps <= most; });
  };
  EXPECT_THROW(run(6), Error);  // stopped in the second training
  const auto runs = run(1000);
  EXPECT_EQ(steps, 12);
  EXPECT_TRUE(runs[0][0].reused);
  EXPECT_FALSE(runs[1][0].reused);
  const auto again = run(1000);
  EXPECT_EQ(steps, 0);
  EXPECT_TRUE(at::equal(again[1][1].answers, runs[1][1].answers));
  ++options.classifier.batch_size;  // another training: nothing of the old is used
  EXPECT_FALSE(run(1000)[0][0].reused);
}

TEST(RunArms, SegmentationTrainsBothHalvesOfTheSteps) {
  const testing::TempFolder folder;
  auto data = data_of(8, 8);
  for (auto* const set : {&data.real, &data.synthetic, &data.val, &data.test}) {
    set->data = std::make_shared<testing::MaskedImages>(set->size(), set->name.size());
  }
  data.preprocess.mask_classes = 1;
  ExperimentOptions options;
  options.arms = {ArmKind::kPretrained};
  options.seeds = 1;
  options.steps = 3;
  options.segmenter.width = 4;
  options.segmenter.batch_size = 4;
  std::vector<std::int64_t> steps;
  const auto runs = run_arms(plan_arms(data, options), data, options, folder.path(),
                             [&](const ExperimentProgress& p) {
                               steps.push_back(p.step);
                               return true;
                             });
  EXPECT_THAT(steps, ElementsAre(1, 2, 3));
  EXPECT_EQ(runs[0][0].answers.sizes(), (std::vector<std::int64_t>{20, 1}));
  EXPECT_TRUE(runs[0][0].answers.isfinite().all().item<bool>());
}

/// A run whose Dice is `dice` on every image but the first, which has no mask.
ExperimentRun run_with(double dice, double val, std::uint64_t seed) {
  auto answers = at::full({20, 1}, dice, at::kDouble);
  answers[0] = std::nan("");
  return {"key", seed, val, 1.0, false, answers};
}

ExperimentData on_disk(const testing::TempFolder& folder) {
  auto data = data_of(8, 8);
  for (auto* const set : {&data.real, &data.synthetic, &data.val, &data.test}) {
    set->name = folder.write(set->name, "{}\n").string();
  }
  return data;
}

Json report_of(double control, double chosen, double other) {
  const testing::TempFolder folder;
  const auto data = on_disk(folder);
  ExperimentOptions options;
  options.seeds = 2;
  options.ratios = {0.5, 1.0};
  options.arms = {ArmKind::kReal, ArmKind::kClassic, ArmKind::kSynthetic};
  const auto arms = plan_arms(data, options);
  std::vector<std::vector<ExperimentRun>> runs;
  // The chosen arm is best on validation, whatever it does on test.
  const std::pair<double, double> test_and_val[] = {
      {0.1, 0.9}, {control, 0.9}, {chosen, 0.8}, {other, 0.7}};
  for (const auto& [test, val] : test_and_val) {
    runs.push_back({run_with(test - 0.01, val, 0), run_with(test + 0.01, val, 1)});
  }
  return experiment_json(data, options, arms, runs);
}

TEST(ExperimentReport, ComparesTheArmChosenOnValidationWithTheBestControl) {
  const auto report = report_of(0.5, 0.6, 0.9);
  const auto& verdict = report.at("verdict");
  EXPECT_EQ(verdict.at("control"), "classic");
  EXPECT_EQ(verdict.at("arm"), "synthetic_x0.5");
  EXPECT_NEAR(verdict.at("points").get<double>(), 10.0, 1e-9);
  EXPECT_EQ(verdict.at("text"), "better");
  EXPECT_NEAR(report.at("arms").at("classic").at("test").at("dice").at("mean").get<double>(), 0.5,
              1e-9);
  EXPECT_EQ(report.at("differences").at("synthetic_x1.0").at("dice").at("verdict"), "better");
  EXPECT_THAT(experiment_text(report), ::testing::HasSubstr("+10.0 points"));
}

TEST(ExperimentReport, SaysWorseAndInsideTheNoise) {
  EXPECT_EQ(report_of(0.5, 0.4, 0.9).at("verdict").at("text"), "worse");
  EXPECT_EQ(report_of(0.5, 0.5, 0.9).at("verdict").at("text"), "inside the noise");
}

TEST(ExperimentScores, OfAClassifierAreThoseOfTheChosenImages) {
  const auto p = at::tensor({0.9, 0.1, 0.2, 0.8, 0.7, 0.3}, at::kDouble).reshape({3, 2});
  const std::vector<std::int64_t> truth{0, 1, 1};
  const auto all = experiment_scores(ExperimentTask::kClassification, p, truth, {0, 1, 2}, {});
  EXPECT_EQ(all[0].first, "balanced_accuracy");
  EXPECT_DOUBLE_EQ(all[0].second, 0.75);
  const auto right = experiment_scores(ExperimentTask::kClassification, p, truth, {0, 1, 1}, {});
  EXPECT_DOUBLE_EQ(right[0].second, 1.0);
}

}  // namespace
}  // namespace medaug
