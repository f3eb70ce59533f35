// SPDX-License-Identifier: MIT
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

// Parts of a batch side by side. When every operator is spread over all cores, the cores wait for
// each other at its end, several hundred times a step; when each core takes its own images through
// the whole network, once.

namespace medaug::nn {

/// Into how many parts a batch is cut: on the CPU at least four images each, and no more parts than
/// `at::get_num_threads()`; one elsewhere.
int team_size(std::int64_t images, at::Device device);

/// First image and number of images of one of the parts; the numbers differ by one at most.
struct Share {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// Calls work(0) to work(parts - 1) at the same time, part 0 on the calling thread; each part's
/// operators use an equal share of the threads. Returns when all are done.
/// `work` sets gradient and inference mode for itself: they belong to the thread. Calls from
/// several threads take turns.
/// @throws what the first failing part threw, after all have ended
void run_team(int parts, const std::function<void(int part)>& work);

/// The same for a batch, which each part is given its share of.
void run_team(int parts, std::int64_t images,
              const std::function<void(int part, Share share)>& work);

}  // namespace medaug::nn
