// SPDX-License-Identifier: MIT
// Runs that are stopped, gone on with and fed with what augment made, through the real program.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tiny_run.h"

namespace medaug::test {
namespace {

using ::testing::HasSubstr;

TEST_F(TinyRun, GoesOnFromItsOwnConfigInAnyWorkingFolder) {
  fs::create_directories(base() / "elsewhere");
  for (const auto& [folder, run] : {std::pair{base(), "run"}, {base() / "elsewhere", "../run"}}) {
    const auto resumed = run_medaug({"train", "--config", std::string(run) + "/config.yaml",
                                     "--resume", std::string(run) + "/checkpoints/latest"},
                                    folder);
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("after 4 steps"));
  }
}

TEST_F(TinyRun, ResumeLatestMeansTheFolderOfTheConfig) {
  const auto more = medaug({"train", "--config", "run/config.yaml", "--resume", "latest", "--set",
                            "training.max_steps=6"});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_TRUE(fs::exists(base() / "run/checkpoints/step-0000006"));
}

TEST_F(TinyRun, DryRunSaysWhatARunNeedsAndStartsNothing) {
  const auto dry = medaug({"train", "--config", "run/config.yaml", "--output", "other", "--dry-run",
                           "--set", "training.max_steps=9"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("of memory"));
  EXPECT_THAT(dry.out, HasSubstr("of checkpoints"));
  EXPECT_THAT(dry.out + dry.err, HasSubstr("--set training.max_steps=9 --output other"));
  EXPECT_FALSE(fs::exists(base() / "other"));
}

TEST_F(TinyRun, TrainsOnWhatAugmentMadeWithLinkedOriginals) {
  const auto made =
      medaug({"augment", "--checkpoint", "run", "--manifest", "phantom/train.jsonl", "--output",
              "linked", "--per-image", "1", "--originals", "reference", "--steps", "2"});
  ASSERT_EQ(made.status, 0) << made.err;
  const auto records = lines_of(base() / "phantom/train.jsonl").size();
  EXPECT_EQ(lines_of(base() / "linked/manifest.jsonl").size(), 2 * records);
  const auto trained =
      medaug({"train", "--config", "run/config.yaml", "--output", "second", "--set",
              "data.train_data=linked/manifest.jsonl", "--set", "training.max_steps=1"});
  EXPECT_EQ(trained.status, 0) << trained.err;
}

TEST_F(TinyRun, AugmentGoesOnWhereItWasCut) {
  const auto make = [](const std::string& output) {
    return medaug({"augment", "--checkpoint", "run", "--manifest", "phantom/train.jsonl",
                   "--output", output, "--ratio", "1", "--mask-transform", "affine", "--originals",
                   "copy", "--steps", "2"});
  };
  ASSERT_EQ(make("whole").status, 0);
  fs::copy(base() / "whole", base() / "cut", fs::copy_options::recursive);
  auto text = read_text(base() / "cut/manifest.jsonl");
  write("cut/manifest.jsonl", text.substr(0, text.size() * 3 / 4));  // in the middle of a line
  const auto resumed = make("cut");
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(read_text(base() / "cut/manifest.jsonl"), text);
  const auto other = medaug({"augment", "--checkpoint", "run", "--manifest", "phantom/train.jsonl",
                             "--output", "cut", "--ratio", "2"});
  EXPECT_EQ(other.status, 2) << other.err;
}

TEST_F(TinyRun, ASecondRoundKeepsWhatIsSynthetic) {
  ASSERT_EQ(medaug({"augment", "--checkpoint", "run", "--manifest", "phantom/train.jsonl",
                    "--output", "first", "--count", "2", "--steps", "2"})
                .status,
            0);
  const auto second =
      medaug({"augment", "--checkpoint", "run", "--manifest", "first/manifest.jsonl", "--output",
              "second_round", "--count", "2", "--originals", "copy", "--steps", "2"});
  ASSERT_EQ(second.status, 0) << second.err;
  for (const auto& line : lines_of(base() / "second_round/manifest.jsonl")) {
    EXPECT_THAT(line, HasSubstr("\"synthetic\":true"));
  }
}

}  // namespace
}  // namespace medaug::test
