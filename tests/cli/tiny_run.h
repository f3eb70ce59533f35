// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli_run.h"

namespace medaug::test {

namespace fs = std::filesystem;

inline constexpr const char* kModel = "run/checkpoints/best_model.safetensors";

/// A phantom data set and a run of four steps on it, made once: phantom/, run/.
class TinyRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new TemporaryFolder;
    const auto phantom = run_medaug({"phantom", "phantom", "--count", "24"}, base_->path());
    ASSERT_EQ(phantom.status, 0) << phantom.err;
    const auto config = source_folder() / "configs/tiny.yaml";
    const auto trained =
        run_medaug({"train", "--config", config.string(), "--output", "run", "--set",
                    "data.train_data=" + (base_->path() / "phantom/train.jsonl").string(), "--set",
                    "data.val_data=" + (base_->path() / "phantom/val.jsonl").string(), "--set",
                    "training.max_minutes=0", "--set", "training.max_steps=4", "--set",
                    "training.save_every=2", "--set", "training.batch_size=4", "--set",
                    "training.sample_count=0"},
                   base_->path());
    ASSERT_EQ(trained.status, 0) << trained.err;
  }
  static void TearDownTestSuite() { delete base_; }

  static const fs::path& base() { return base_->path(); }
  static CliOutcome medaug(const std::vector<std::string>& arguments) {
    return run_medaug(arguments, base());
  }
  /// Some mask of the set, relative to base().
  static std::string mask_of_phantom() {
    return fs::relative(fs::directory_iterator(base() / "phantom/masks")->path(), base()).string();
  }
  static fs::path write(const std::string& name, std::string_view text) {
    return base_->write(name, text);
  }

 private:
  inline static TemporaryFolder* base_ = nullptr;
};

inline std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream text(read_text(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line);
  }
  return lines;
}

}  // namespace medaug::test
