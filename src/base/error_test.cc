// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace medaug {
namespace {

TEST(Error, SaysWhereWhatAndHint) {
  const Error e(ErrorCode::kConfig, "a.yaml:3:1", "unknown key 'x'", "allowed: y, z");
  EXPECT_STREQ(e.what(), "a.yaml:3:1: unknown key 'x'\n  allowed: y, z");
  EXPECT_EQ(e.code(), ErrorCode::kConfig);
  EXPECT_STREQ(Error(ErrorCode::kData, "", "empty").what(), "empty");
}

TEST(Error, CodesKeepTheirExitStatus) {
  EXPECT_EQ(exit_status(ErrorCode::kInternal), 1);
  EXPECT_EQ(exit_status(ErrorCode::kUsage), 2);
  EXPECT_EQ(exit_status(ErrorCode::kConfig), 3);
  EXPECT_EQ(exit_status(ErrorCode::kData), 4);
  EXPECT_EQ(exit_status(ErrorCode::kCheckpoint), 5);
  EXPECT_EQ(exit_status(ErrorCode::kResource), 6);
  EXPECT_EQ(exit_status(ErrorCode::kNumeric), 7);
  EXPECT_EQ(exit_status(ErrorCode::kQualityGate), 8);
  EXPECT_EQ(exit_status(ErrorCode::kStopped), 75);
  EXPECT_EQ(name_of(ErrorCode::kCheckpoint), "checkpoint");
  EXPECT_EQ(http_status(ErrorCode::kCheckpoint), 409);
}

TEST(Log, ShowsOnlyWhatTheLevelLetsThrough) {
  ::testing::internal::CaptureStderr();
  log_debug("hidden");
  log_info("seen");
  set_log_level(LogLevel::kError);
  log_warning("hidden");
  log(LogLevel::kError, "bad");
  set_log_level(LogLevel::kQuiet);
  log(LogLevel::kError, "hidden");
  set_log_level(LogLevel::kInfo);
  log_warning("careful");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "seen\nerror: bad\nwarning: careful\n");
}

}  // namespace
}  // namespace medaug
