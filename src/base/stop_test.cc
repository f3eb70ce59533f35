// SPDX-License-Identifier: MIT
#include "base/stop.h"

#include <gtest/gtest.h>

#include <csignal>

namespace medaug {
namespace {

class Stop : public ::testing::Test {
 protected:
  void SetUp() override {
    install_stop_signals();
    reset_stop();
  }
  void TearDown() override { reset_stop(); }
};

TEST_F(Stop, TerminateAndInterruptAskToStop) {
  for (const int signal_number : {SIGTERM, SIGINT}) {
    reset_stop();
    EXPECT_FALSE(stop_requested());
    ::raise(signal_number);
    EXPECT_TRUE(stop_requested());
  }
}

TEST_F(Stop, OneInterruptDeliveredTwiceIsStillOne) {
  ::raise(SIGINT);
  ::raise(SIGINT);
  EXPECT_TRUE(stop_requested());
}

TEST_F(Stop, EachUserSignalAsksForOneSave) {
  EXPECT_FALSE(take_save_request());
  ::raise(SIGUSR1);
  ::raise(SIGUSR1);
  EXPECT_TRUE(take_save_request());
  EXPECT_TRUE(take_save_request());
  EXPECT_FALSE(take_save_request());
  EXPECT_FALSE(stop_requested());
}

TEST_F(Stop, CanBeAskedForByTheProgram) {
  request_stop();
  EXPECT_TRUE(stop_requested());
}

}  // namespace
}  // namespace medaug
