// SPDX-License-Identifier: MIT
#include "nn/team.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace medaug::nn {
namespace {

TEST(Team, SharesCoverTheBatchInOrder) {
  for (const int parts : {1, 2, 3, 7}) {
    std::vector<Share> shares(static_cast<std::size_t>(parts));
    run_team(parts, 16,
             [&](int part, Share share) { shares[static_cast<std::size_t>(part)] = share; });
    std::int64_t next = 0;
    for (const auto& share : shares) {
      EXPECT_EQ(share.begin, next);
      EXPECT_GE(share.count, 16 / parts);
      EXPECT_LE(share.count, 16 / parts + 1);
      next += share.count;
    }
    EXPECT_EQ(next, 16);
  }
}

TEST(Team, SmallBatchesStayInOnePart) {
  EXPECT_EQ(team_size(1, at::kCPU), 1);
  EXPECT_EQ(team_size(7, at::kCPU), 1);
  EXPECT_EQ(team_size(1000, at::kCPU), at::get_num_threads());
  EXPECT_EQ(team_size(1000, at::kCUDA), 1);
}

// All parts must be inside at once, or this would never end.
TEST(Team, PartsRunAtTheSameTimeOnTheirShareOfTheThreads) {
  constexpr int kParts = 3;
  const int before = at::get_num_threads();
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> inside{0};
    std::vector<int> threads(kParts, 0);
    std::vector<std::thread::id> ids(kParts);
    run_team(kParts, [&](int part) {
      ++inside;
      while (inside < kParts) {
        std::this_thread::yield();
      }
      threads[static_cast<std::size_t>(part)] = omp_get_max_threads();
      ids[static_cast<std::size_t>(part)] = std::this_thread::get_id();
    });
    EXPECT_EQ(ids[0], std::this_thread::get_id());
    EXPECT_NE(ids[1], ids[2]);
    for (const int share : threads) {
      EXPECT_EQ(share, std::max(1, before / kParts));
    }
    EXPECT_EQ(at::get_num_threads(), before);
  }
}

TEST(Team, AFailureIsThrownAfterAllHaveEnded) {
  std::atomic<int> ended{0};
  for (const int failing : {0, 1}) {
    ended = 0;
    EXPECT_THROW(run_team(2,
                          [&](int part) {
                            if (part == failing) {
                              throw std::runtime_error("broken");
                            }
                            ++ended;
                          }),
                 std::runtime_error);
    EXPECT_EQ(ended, 1);
  }
  run_team(2, [&](int) { ++ended; });  // and the team is still of use
  EXPECT_EQ(ended, 3);
}

}  // namespace
}  // namespace medaug::nn
