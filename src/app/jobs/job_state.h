// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/jobs/job_queue.h"

// What the two files of JobQueue share: job_queue.cc, which clients call, and job_worker.cc, its
// thread.

namespace medaug::app {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Calls of the network per image and step, about.
inline std::int64_t branches_of(const GuidanceOptions& guidance) {
  return 1 + (guidance.text != 1.0 ? 1 : 0) + (guidance.mask != 1.0 ? 1 : 0);
}

struct JobQueue::Active {
  Job job;
  Prepared prepared;
  std::string batch_key;
  std::string key, fingerprint;  ///< of the client's Idempotency-Key
  std::int64_t begun = 0;        ///< images that a batch was made of
  std::int64_t step = 0;
  std::atomic<bool> cancel{false};
  std::uint64_t version = 1;
  std::map<std::int64_t, Preview> previews;  ///< by image
  std::uint64_t preview_version = 0;
  std::map<std::int64_t, Clock::time_point> next_preview;  ///< of an image; none = now
  Clock::time_point created_at = Clock::now();
  Clock::time_point started_at = {};

  std::int64_t work_left() const {
    const auto images = job.request.count - static_cast<std::int64_t>(job.images.size());
    return std::max<std::int64_t>(0, images * job.request.sampler.steps - step) *
           branches_of(job.request.guidance);
  }
};

/// One image of a batch.
struct JobQueue::Slot {
  std::shared_ptr<Active> active;
  std::int64_t index = 0;  ///< image of its job
  GenerateRequest request;
};

struct JobQueue::Watcher {
  std::string id;
  bool previews = false;
  std::function<void()> on_change;
};

}  // namespace medaug::app
