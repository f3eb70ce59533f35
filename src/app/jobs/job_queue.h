// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/jobs/history.h"
#include "app/jobs/job.h"
#include "app/jobs/model_host.h"

namespace medaug::app {

struct QueueOptions {
  std::size_t most_waiting = 32;
  std::size_t most_images = 512;  ///< of all waiting jobs together
  double job_seconds = 600.0;     ///< a job that has run longer fails
  std::int64_t preview_side = 256;
  std::int64_t most_previews = 4;  ///< images of a job that are shown while they are made
};

/// A glimpse of an image that is being made.
struct Preview {
  std::uint64_t version = 0;  ///< grows with every glimpse of the job
  std::int64_t index = 0;     ///< image of the job
  std::int64_t step = 0, steps = 0;
  std::string png;
};

/// What is known of a job at a moment.
struct JobView {
  Job job;
  JobProgress progress;
  std::uint64_t version = 0;  ///< grows with every change
};

/// Counts for `/metrics`.
struct QueueCounts {
  std::size_t waiting = 0, running = 0;
  std::uint64_t accepted = 0, refused = 0, done = 0, failed = 0, cancelled = 0;
  std::uint64_t images = 0, batches = 0, steps = 0;
  double busy_seconds = 0.0;
  std::vector<std::pair<double, std::uint64_t>> latency = {};  ///< buckets: up to seconds, count
  double latency_sum = 0.0;
};

/// Jobs in their order, one batch at a time. Images of several jobs that share their settings are
/// made together: what an image looks like does not depend on its company. Thread-safe.
class JobQueue {
 public:
  /// Goes on with what a crash interrupted.
  JobQueue(ModelHost& model, History& history, const QueueOptions& options = {});
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  /// Checks, stores and queues. @return its id. @throws HttpError 400 naming the field; 503 when
  /// the queue is full or draining
  std::string submit(JobRequest request, const std::string& key = "",
                     const std::string& fingerprint = "");
  /// The job of before with this key. @throws HttpError 422 when its request was another one
  std::optional<std::string> submitted_before(const std::string& key,
                                              const std::string& fingerprint) const;

  std::optional<JobView> view(const std::string& id) const;
  std::vector<JobView> list(std::int64_t limit, const std::string& before) const;
  /// False when there is no such job. One that is finished stays what it is.
  bool cancel(const std::string& id);
  bool remove(const std::string& id);

  /// Glimpses of a job's images that are newer than `after`. Only a job with a watcher has some.
  std::vector<Preview> previews(const std::string& id, std::uint64_t after) const;
  /// Calls `on_change` after every change of a job, from any thread, while the returned handle
  /// lives. @param previews  whether glimpses are to be made for it
  std::shared_ptr<void> watch(const std::string& id, bool previews,
                              std::function<void()> on_change);

  /// Takes no more jobs; those that were accepted go on.
  void drain();
  bool draining() const { return draining_; }
  /// Waits until nothing is left to do, at most that long. @return whether it is so
  bool wait_until_idle(std::chrono::milliseconds longest);
  /// Takes no more jobs and ends the one in hand at its next step; the history has them for the
  /// next start. After it nobody is called any more.
  void stop();
  QueueCounts counts() const;
  std::int64_t most_waiting() const { return static_cast<std::int64_t>(options_.most_waiting); }

 private:
  struct Active;
  struct Slot;
  struct Watcher;

  void require_room(std::int64_t images);
  void work();
  void enqueue(Job job, Prepared prepared);
  std::vector<Slot> next_batch();
  void run(const std::vector<Slot>& batch);
  std::optional<Problem> attempt(const std::vector<Slot>& batch);
  std::vector<at::Tensor> sample(HostedModel& model, const std::vector<Slot>& batch);
  bool take_turn(const Slot& slot);
  void glimpse_of(HostedModel& model, const Slot& slot, const at::Tensor& estimate);
  void keep(HostedModel& model, const Slot& slot, const at::Tensor& pixels);
  bool is_running(const Active& active) const;
  bool is_wanted(const Slot& slot) const;
  void fail(const std::shared_ptr<Active>& active, const Problem& problem);
  void finish(const std::shared_ptr<Active>& active, JobState state);
  void changed(const std::shared_ptr<Active>& active);
  JobView view_of(const Active& active) const;
  double eta_of(const Active& active, std::int64_t position) const;

  ModelHost& model_;
  History& history_;
  QueueOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::shared_ptr<Active>> waiting_;  ///< with images not begun
  std::map<std::string, std::shared_ptr<Active>> active_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  QueueCounts counts_;
  double seconds_per_work_ = 0.0;  ///< of one image and step, running mean
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};
  /// Until then a batch waits for so many jobs.
  std::chrono::steady_clock::time_point gather_until_ = {};
  std::size_t gather_jobs_ = 0;
  std::thread worker_;
};

}  // namespace medaug::app
