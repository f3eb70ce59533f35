// SPDX-License-Identifier: MIT
#include "training/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/stop.h"
#include "data/phantom.h"
#include "training/model_file.h"
#include "training/run_store.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

/// A made-up set of 24 pictures of 32 pixels, and a config that trains a very small model on it.
class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("trainer_test_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    PhantomOptions phantom;
    phantom.count = 24;
    phantom.size = 32;
    phantom.kind = PhantomKind::kScan;
    write_phantom(folder_ / "data", phantom);
  }
  void TearDown() override {
    reset_stop();
    fs::remove_all(folder_);
  }

  RunConfig config(const std::string& run, std::int64_t steps) const {
    const std::vector<std::string> overrides{
        "data.train_data=" + (folder_ / "data/train.jsonl").string(),
        "data.val_data=" + (folder_ / "data/val.jsonl").string(),
        "data.image_size=32",
        "data.allow_outside=true",
        "augment.rotation_deg=10",
        "model.preset=tiny",
        "text.dim=32",
        "text.layers=1",
        "training.optimizer=muon",
        "training.batch_size=4",
        "training.num_epochs=0",
        "training.max_steps=" + std::to_string(steps),
        "training.schedule=constant",
        "training.learning_rate=1e-3",
        "training.log_every=1",
        "training.validate_every_minutes=0",
        "training.save_every_minutes=0",
        "training.sample_every_minutes=0",
        "training.sample_count=2",
        "sampling.steps=2",
        "output.folder=" + (folder_ / run).string()};
    return load_run_config({}, overrides);
  }

  TrainResult run(const RunConfig& config, bool resume = false) {
    SingleProcess alone;
    TrainRequest request;
    request.config = config;
    request.resume = resume;
    return train(request, alone);
  }

  static std::string state_hash(const TrainResult& result) {
    const auto file = read_safetensors(result.last_step / "state.safetensors");
    std::string all;
    for (const auto& [name, tensor] : file.tensors) {
      all.append(name).append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    }
    return sha256(all);
  }

  fs::path folder_;
};

TEST_F(TrainerTest, ResumedRunEndsWithTheSameBytes) {
  const auto whole = run(config("whole", 6));
  run(config("parts", 2));
  run(config("parts", 5), true);
  const auto parts = run(config("parts", 6), true);
  EXPECT_EQ(parts.state.step, 6);
  EXPECT_EQ(state_hash(parts), state_hash(whole));
}

TEST_F(TrainerTest, WorkersChangeNothing) {
  auto one = config("one", 4);
  one.data.num_workers = 0;
  auto two = config("two", 4);
  two.data.num_workers = 2;
  EXPECT_EQ(state_hash(run(one)), state_hash(run(two)));
}

TEST_F(TrainerTest, WritesWhatARunHas) {
  const auto result = run(config("run", 3));
  const auto folder = folder_ / "run";
  EXPECT_EQ(result.why_ended, "budget used");
  for (const char* file :
       {"config.yaml", "checkpoints/best_model.safetensors", "checkpoints/latest",
        "logs/training_log.json", "logs/metrics.jsonl", "samples/step-3.png"}) {
    EXPECT_TRUE(fs::exists(folder / file)) << file;
  }
  std::ifstream lines(folder / "logs/metrics.jsonl");
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(Json::parse(line).at("step").get<int>(), ++count);
  }
  EXPECT_EQ(count, 3);
  const auto info = read_model_info(result.best_model);
  EXPECT_EQ(info.generator.dit.in_channels, 1) << "grey stays one channel";
  EXPECT_EQ(info.training.at("images_seen").get<int>(), 12);
}

TEST_F(TrainerTest, LossFallsOnFewImages) {
  auto c = config("fall", 100);
  c.training.optimizer = OptimizerKind::kAdamW;
  c.training.learning_rate = 3e-3;
  run(c);
  std::ifstream lines(folder_ / "fall/logs/metrics.jsonl");
  std::vector<double> losses;
  for (std::string line; std::getline(lines, line);) {
    losses.push_back(Json::parse(line).at("loss").get<double>());
  }
  const auto mean = [&](std::size_t begin) {
    double sum = 0.0;
    for (std::size_t i = begin; i < begin + 10; ++i) {
      sum += losses[i] / 10.0;
    }
    return sum;
  };
  EXPECT_LT(mean(90), 0.6 * mean(0));
}

TEST_F(TrainerTest, RefusesAFolderWithARunAndAnotherModelOnResume) {
  run(config("run", 1));
  try {
    run(config("run", 2));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("--resume"));
  }
  auto other = config("run", 2);
  other.model.dim = 96;
  try {
    run(other, true);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("model.dim is 96, was 64"));
  }
}

TEST_F(TrainerTest, StopRequestSavesAndTheRunGoesOn) {
  auto c = config("stopped", 50);
  SingleProcess alone;
  TrainRequest request;
  request.config = c;
  request.on_progress = [](const TrainProgress& p) {
    if (p.step == 2) {
      request_stop();
    }
  };
  const auto stopped = train(request, alone);
  EXPECT_TRUE(stopped.stopped_by_request);
  EXPECT_LT(stopped.state.step, 50);
  reset_stop();
  c.training.max_steps = stopped.state.step + 1;
  EXPECT_EQ(run(c, true).state.step, stopped.state.step + 1);
}

TEST_F(TrainerTest, SecondTrainerOnOneFolderIsRefused) {
  const auto c = config("locked", 1);
  fs::create_directories(c.run_folder);
  const RunStore first(c.run_folder, 1);
  try {
    run(c);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
  }
}

TEST_F(TrainerTest, NumbersThatAreNotFiniteNeverReachTheWeights) {
  auto c = config("diverging", 8);
  c.training.optimizer = OptimizerKind::kAdamW;
  c.training.learning_rate = 10.0;
  c.training.warmup_steps = 0;
  c.training.grad_clip = 0.0;
  try {
    const auto result = run(c);
    for (const auto& [name, tensor] :
         read_safetensors(result.last_step / "state.safetensors").tensors) {
      EXPECT_TRUE(!tensor.is_floating_point() || at::isfinite(tensor).all().item<bool>()) << name;
    }
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNumeric);
  }
}

}  // namespace
}  // namespace medaug
