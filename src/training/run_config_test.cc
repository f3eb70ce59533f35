// SPDX-License-Identifier: MIT
#include "training/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class RunConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("medaug_run_config_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  RunConfig load(const std::string& text, std::vector<std::string> overrides = {}) const {
    overrides.push_back("output.folder=" + (folder_ / "run").string());
    return load_run_config(write("c.yaml", text), overrides);
  }

  std::string failure(const std::string& text,
                      const std::vector<std::string>& overrides = {}) const {
    try {
      load(text, overrides);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kConfig);
      return e.what();
    }
    return "no failure";
  }

  fs::path folder_;
};

TEST_F(RunConfigTest, TakesTheOriginalKeys) {
  const auto config = load(
      "data:\n  train_data_path: \"data/train\"\n  val_data_path: \"data/val\"\n"
      "  image_size: 1024\n  batch_size: 16\n  num_workers: 8\n"
      "training:\n  num_epochs: 3\n  learning_rate: 1.0e-4\n  use_amp: true\n"
      "  amp_dtype: \"bfloat16\"\n  accumulation: 2\n");
  EXPECT_EQ(config.data.train_data, "data/train");
  EXPECT_EQ(config.preprocess.image_size, 1024);
  EXPECT_EQ(config.training.batch_size, 16);
  EXPECT_EQ(config.training.effective_batch_size(), 32);
  EXPECT_EQ(config.data.num_workers, 8);
  EXPECT_EQ(config.training.learning_rate, 1e-4);
  EXPECT_EQ(config.training.amp_dtype, AmpDtype::kBFloat16);
}

TEST_F(RunConfigTest, FindsManifestsBesideTheConfig) {
  const auto manifest = write("pictures/train.jsonl", "{}\n");
  for (const std::string name : {"pictures/train.jsonl", "pictures/train", "pictures"}) {
    const auto config = load("data: {train_data_path: " + name + "}");
    EXPECT_EQ(fs::canonical(train_manifest(config)), fs::canonical(manifest)) << name;
    EXPECT_EQ(val_manifest(config), "");
  }
}

TEST_F(RunConfigTest, PresetFillsWhatIsNotSet) {
  const auto config =
      load("data: {train_data: t.jsonl}\nsampling: {preset: original, steps: 20}\n");
  EXPECT_EQ(config.sampler.solver, Solver::kEuler);
  EXPECT_EQ(config.sampler.steps, 20);
  EXPECT_EQ(config.guidance.text, 7.5);
}

TEST_F(RunConfigTest, LineagePresetsSampleAsUpstreamDoes) {
  const auto lumina = load("data: {train_data: t.jsonl}\nsampling: {preset: lumina}\n");
  const auto grid = time_grid(lumina.sampler);
  ASSERT_EQ(grid.size(), 30U);  // upstream's num_steps counts the points
  EXPECT_NEAR(grid[1], (1.0 / 29.0) / (1.0 / 29.0 + 4.0 * (1.0 - 1.0 / 29.0)), 1e-12);
  EXPECT_EQ(lumina.sampler.solver, Solver::kMidpoint);
  EXPECT_EQ(lumina.guidance.channels, 3);
  const auto retina = load("data: {train_data: t.jsonl}\nsampling: {preset: retinalogos}\n");
  EXPECT_EQ(time_grid(retina.sampler).size(), 50U);
  EXPECT_EQ(retina.guidance.text, 4.0);
}

TEST_F(RunConfigTest, InferenceConfigNeedsNoData) {
  const auto file = write("inference.yaml",
                          "checkpoint: run/best\nnum_inference_steps: 50\nguidance_scale: "
                          "7.5\nseed: 1\nimage_size: 256\n");
  const auto config = load_run_config(file, {}, ConfigUse::kInference);
  EXPECT_EQ(config.sampler.steps, 50);
  EXPECT_EQ(config.guidance.text, 7.5);
  EXPECT_EQ(config.inference.seed, 1);
  EXPECT_EQ(config.inference.image_size, 256);
  EXPECT_EQ(guess_use(file), ConfigUse::kInference);
}

TEST_F(RunConfigTest, NamesWhatDoesNotFitTogether) {
  EXPECT_THAT(failure("training: {batch_size: 2}"), HasSubstr("'data.train_data' is required"));
  EXPECT_THAT(failure("data: {train_data: t, image_size: 65}"), HasSubstr("c.yaml:1:"));
  EXPECT_THAT(failure("data: {train_data: t, channels: 2}"), HasSubstr("1 (grey) or 3"));
  EXPECT_THAT(failure("data: {train_data: t, mask_classes: 2, class_names: [a]}"),
              HasSubstr("has 1 entries"));
  EXPECT_THAT(failure("data: {train_data: t}\ntraining: {num_epochs: 0}"), HasSubstr("has no end"));
  EXPECT_THAT(failure("data: {train_data: t}\ntraining: {device: cpu, amp_dtype: float16}"),
              HasSubstr("bfloat16"));
  EXPECT_THAT(failure("data: {train_data: t, val_data: t}"), HasSubstr("same manifest"));
}

TEST_F(RunConfigTest, AbsolutePathsComeFromTheCommandLineOnly) {
  EXPECT_THAT(failure("data: {train_data: /x/t.jsonl}"),
              HasSubstr("c.yaml:1:20: 'data.train_data' is the absolute path"));
  EXPECT_EQ(failure("data: {train_data: /x/t.jsonl, allow_outside: true}"), "no failure");
  EXPECT_EQ(failure("data: {}", {"data.train_data=/x/t.jsonl"}), "no failure");
  EXPECT_THAT(failure("data: {train_data: ../t.jsonl, root: data}"), HasSubstr("leaves data.root"));
}

TEST_F(RunConfigTest, OutputMustBeWritableAndOutsideTheData) {
  write("pictures/train.jsonl", "{}\n");
  const auto file = write("c.yaml", "data: {train_data: pictures/train.jsonl}");
  const std::vector<std::string> inside{"output.folder=" +
                                        (folder_ / "pictures/images/run").string()};
  EXPECT_THROW(load_run_config(file, inside), Error);
  const std::vector<std::string> below_file{"output.folder=" + (file / "run").string()};
  EXPECT_THROW(load_run_config(file, below_file), Error);
}

TEST_F(RunConfigTest, EffectiveConfigLoadsBackAlike) {
  const auto config =
      load("data: {train_data: t.jsonl, class_names: [\"a: b\"]}\ntraining: {max_minutes: 20}\n");
  const auto yaml = run_config_yaml(config);
  EXPECT_EQ(run_config_yaml(
                load_run_config(write("again.yaml", yaml),
                                std::vector<std::string>{"output.folder=" + config.output.folder})),
            yaml);
}

TEST_F(RunConfigTest, EveryFieldHasHelp) {
  for (const auto& field : run_config_fields()) {
    EXPECT_THAT(field.help, Not(HasSubstr("\n"))) << field.key();
    EXPECT_FALSE(field.help.empty()) << field.key();
  }
}

}  // namespace
}  // namespace medaug
