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
#include "training/test_run.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

/// Runs of the fixture by Muon, slower.
class TrainerTest : public test::RunTest {
 protected:
  RunConfig config(const std::string& run, std::int64_t steps) const {
    return RunTest::config(
        run, steps,
        {"training.optimizer=muon", "training.learning_rate=1e-3",
         "training.warmup_steps=" + std::to_string(TrainingOptions().warmup_steps),
         "training.log_every=1", "training.sample_count=2"});
  }

  /// Starts or goes on, and asks for a stop after a step.
  TrainResult stop_at(const RunConfig& config, std::int64_t step) {
    SingleProcess alone;
    TrainRequest request;
    request.config = config;
    request.resume = fs::exists(config.run_folder);
    request.on_progress = [step](const TrainProgress& p) {
      if (p.step == step && !p.begins) {
        request_stop();
      }
    };
    auto result = train(request, alone);
    reset_stop();
    return result;
  }
};

TEST_F(TrainerTest, ResumedRunEndsWithTheSameBytes) {
  const auto whole = run(config("whole", 6));
  run(config("parts", 2));
  run(config("parts", 5), true);
  const auto parts = run(config("parts", 6), true);
  EXPECT_EQ(parts.state.step, 6);
  EXPECT_EQ(state_hash(parts), state_hash(whole));
}

TEST_F(TrainerTest, ResumeKeepsTheAverageThatTheBestModelIsMadeOf) {
  const auto with_validation = [&](const std::string& name) {
    auto c = config(name, 5);
    c.training.validate_every = 2;
    c.training.save_every = 1;
    return c;
  };
  const auto whole = run(with_validation("whole"));
  for (const std::int64_t step : {1, 2, 3, 4}) {
    stop_at(with_validation("parts"), step);
  }
  const auto parts = run(with_validation("parts"), true);
  EXPECT_EQ(parts.state.average, whole.state.average);
  EXPECT_EQ(parts.state.best_step, whole.state.best_step);
  EXPECT_EQ(sha256_file(parts.last_step / "model.safetensors"),
            sha256_file(whole.last_step / "model.safetensors"));
}

TEST_F(TrainerTest, TheLastValidationExportsItsOwnModel) {
  auto c = config("last", 3);
  c.training.save_every = 3;  // the step is on the disk before it is validated
  const auto result = run(c);
  EXPECT_EQ(result.state.best_step, 3);
  const auto info = read_model_info(result.best_model);
  EXPECT_EQ(info.training.at("step").get<int>(), 3);
  EXPECT_DOUBLE_EQ(info.training.at("validation_loss").get<double>(), result.state.best_loss);
}

TEST_F(TrainerTest, StopsEarlyAndAgainAfterResume) {
  auto c = config("early", 60);
  c.training.optimizer = OptimizerKind::kAdamW;
  c.training.learning_rate = 1e-12;  // nothing is gained
  c.training.validate_every = 2;
  c.training.early_stop_patience = 2;
  c.training.ema_half_life = {};
  const auto first = run(c);
  EXPECT_EQ(first.why_ended, "early stop");
  EXPECT_LT(first.state.step, 60);
  EXPECT_EQ(run(c, true).state.step, first.state.step);
}

TEST_F(TrainerTest, BadDataLeavesNoRunFolder) {
  auto c = config("nothing", 1);
  c.train_path = folder_ / "missing.jsonl";
  EXPECT_THROW(run(c), Error);
  EXPECT_FALSE(fs::exists(c.run_folder));
  EXPECT_THROW(run(config("nothing", 1), true), Error) << "there is nothing to go on from";
  EXPECT_FALSE(fs::exists(c.run_folder));
}

TEST_F(TrainerTest, AnotherOptimiserDoesNotGoOnWithTheRun) {
  run(config("run", 1));
  auto other = config("run", 2);
  other.training.optimizer = OptimizerKind::kAdamW;
  try {
    run(other, true);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("optimizer is \"adamw\", was \"muon\""));
  }
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

// The student starts as its teacher, comes nearer to its guided prediction, and goes on after a
// stop with the teacher's tokenizer and flow.
TEST_F(TrainerTest, LearnsAnotherModelsGuidance) {
  const auto teacher = run(config("teacher", 12));
  auto student = config("student", 30);
  student.teacher = folder_ / "teacher";
  student.training.distill_from = student.teacher.string();
  student.guidance.mask = 3.0;
  student.training.validate_every = 1;
  const auto part = stop_at(student, 3);
  EXPECT_EQ(part.state.step, 3);
  const auto first = part.state.validation_loss;
  const auto done = run(student, true);
  EXPECT_EQ(done.state.step, 30);
  EXPECT_GT(first, 0.0);
  EXPECT_LT(done.state.best_loss, 0.7 * first);
  const auto info = read_model_info(done.best_model);
  EXPECT_EQ(info.guidance.mask, 1.0);
  EXPECT_EQ(info.training["distilled_guidance"]["mask"], 3.0);
  EXPECT_EQ(info.tokenizer, read_model_info(teacher.best_model).tokenizer);
  EXPECT_EQ(info.flow.data_std, read_model_info(teacher.best_model).flow.data_std);
}

TEST_F(TrainerTest, RefusesATeacherOfAnotherShape) {
  run(config("teacher", 2));
  auto student = config("student", 2);
  student.teacher = folder_ / "teacher";
  student.guidance.mask = 2.0;
  student.model.dim *= 2;
  try {
    run(student);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("another model"));
  }
  EXPECT_FALSE(fs::exists(student.run_folder));
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
  const auto stopped = stop_at(c, 2);
  EXPECT_TRUE(stopped.stopped_by_request);
  EXPECT_EQ(stopped.state.step, 2);
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
