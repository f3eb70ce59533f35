// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/estimate.h"
#include "cli/globals.h"
#include "cli/progress.h"
#include "cli/report.h"

namespace medaug::cli {
namespace {

using ::testing::HasSubstr;

TEST(ShellQuoted, QuotesOnlyWhatAShellWouldSplit) {
  EXPECT_EQ(shell_quoted("runs/a-1_b.yaml"), "runs/a-1_b.yaml");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(Report, KeepsTheOrderAndTellsGoodFromBad) {
  Report report;
  report.good("one", "fine");
  EXPECT_FALSE(report.has_bad());
  report.bad("two", "broken", "mend it");
  const auto result = report.result("medaug next");
  EXPECT_TRUE(report.has_bad());
  EXPECT_THAT(result.text, HasSubstr("BAD  two"));
  EXPECT_THAT(result.text, HasSubstr("-> mend it"));
  EXPECT_EQ(result.json["findings"][1]["verdict"], "bad");
  EXPECT_EQ(result.json["ok"], false);
}

TEST(Report, CountsForPeople) {
  EXPECT_EQ(human_count(97), "97");
  EXPECT_EQ(human_count(840'000), "840 k");
  EXPECT_EQ(human_count(12'340'000), "12.3 M");
  EXPECT_EQ(human_share(0.1), "10 %");
}

TEST(Progress, PrintsPlainLinesWithRateWhenItIsNoTerminal) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress({.label = "training", .unit = "steps", .total = 4});
    progress.update(1, "loss 0.5");
    progress.update(2);  // too soon for another line
    progress.update(4);
  }
  const auto text = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("training 1/4 steps, "));
  EXPECT_THAT(text, HasSubstr("loss 0.5\n"));
  EXPECT_THAT(text, HasSubstr("training 4/4 steps"));
  EXPECT_EQ(text.find("2/4"), std::string::npos);
}

TEST(Progress, IsSilentWhenQuiet) {
  ::testing::internal::CaptureStderr();
  Progress progress({.label = "training", .total = 2, .quiet = true});
  progress.update(2);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Estimate, GrowsWithBatchAndShrinksWithCheckpointing) {
  RunConfig config;
  const auto one = estimate_run(config);
  EXPECT_GT(one.parameters, 0);
  EXPECT_EQ(one.tokens, 256);  // 64 x 64 pixels, patch 4
  config.training.batch_size *= 2;
  EXPECT_DOUBLE_EQ(estimate_run(config).activations_bytes, 2.0 * one.activations_bytes);
  EXPECT_EQ(estimate_run(config).weights_bytes, one.weights_bytes);
  config.training.checkpoint_activations = true;
  EXPECT_LT(estimate_run(config).activations_bytes, one.activations_bytes);
}

}  // namespace
}  // namespace medaug::cli
