// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/stop.h"
#include "data/phantom.h"
#include "training/run_store.h"
#include "training/trainer.h"

// A made-up data set and runs on it, for tests.

namespace medaug::test {

/// 24 pictures of 32 pixels, and a config that trains a very small model on them.
class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ("run_test_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    PhantomOptions phantom;
    phantom.count = 24;
    phantom.size = 32;
    phantom.kind = PhantomKind::kScan;
    write_phantom(folder_ / "data", phantom);
  }
  void TearDown() override {
    reset_stop();
    std::filesystem::remove_all(folder_);
  }

  RunConfig config(const std::string& run, std::int64_t steps,
                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> overrides{"data.train_data=" + (folder_ / "data/train.jsonl").string(),
                                       "data.val_data=" + (folder_ / "data/val.jsonl").string(),
                                       "data.image_size=32",
                                       "data.allow_outside=true",
                                       "augment.rotation_deg=10",
                                       "model.preset=tiny",
                                       "text.dim=32",
                                       "text.layers=1",
                                       "training.batch_size=4",
                                       "training.num_epochs=0",
                                       "training.max_steps=" + std::to_string(steps),
                                       "training.schedule=constant",
                                       "training.learning_rate=3e-3",
                                       "training.warmup_steps=0",
                                       "training.validate_every_minutes=0",
                                       "training.save_every_minutes=0",
                                       "training.sample_every_minutes=0",
                                       "training.sample_count=0",
                                       "sampling.steps=2",
                                       "output.folder=" + (folder_ / run).string()};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_run_config({}, overrides);
  }

  static TrainResult run(const RunConfig& config, bool resume = false) {
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

  std::filesystem::path folder_;
};

}  // namespace medaug::test
