// SPDX-License-Identifier: MIT
#include "app/jobs/job_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "app/jobs/job_state.h"
#include "base/error.h"
#include "base/log.h"

namespace medaug::app {
namespace {

constexpr std::array<double, 10> kLatencyBuckets{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

/// What images must share to be made together.
std::string batch_key_of(const Prepared& prepared) {
  const auto& settings = prepared.settings;
  const Json key = {to_json(settings.sampler), to_json(settings.guidance),
                    settings.image_size,       settings.image_width,
                    settings.negative_caption, prepared.request.init.defined()};
  return key.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

JobQueue::JobQueue(ModelHost& model, History& history, const QueueOptions& options)
    : model_(model), history_(history), options_(options) {
  for (const double limit : kLatencyBuckets) {
    counts_.latency.emplace_back(limit, 0);
  }
  for (auto& job : history_.unfinished()) {
    job.images.clear();  // the same request makes the same images again
    job.state = JobState::kQueued;
    try {
      auto prepared = model_.current()->prepare(job.request);
      enqueue(std::move(job), std::move(prepared));
    } catch (const HttpError& e) {  // another checkpoint than before
      job.state = JobState::kFailed;
      job.error = e.problem();
      job.finished = now_seconds();
      history_.update(job);
    }
  }
  worker_ = std::thread([this] { work(); });
}

JobQueue::~JobQueue() { stop(); }

void JobQueue::stop() {
  {
    const std::lock_guard lock(mutex_);  // or the worker may miss it between asking and waiting
    stopping_ = true;
    draining_ = true;
  }
  wake_.notify_all();
  if (worker_.joinable()) {
    worker_.join();
  }
}

std::string JobQueue::submit(JobRequest request, const std::string& key,
                             const std::string& fingerprint) {
  require_room(request.count);  // before pictures are decoded in vain
  const auto model = model_.current();
  auto prepared = model->prepare(request);
  require_room(request.count);
  {
    const std::lock_guard lock(mutex_);
    ++counts_.accepted;
  }
  Job job;
  job.id = new_id();
  job.created = now_seconds();
  job.request = std::move(request);
  job.model_sha256 = model->sha256();
  history_.insert(job, key, fingerprint);
  const auto id = job.id;
  enqueue(std::move(job), std::move(prepared));
  return id;
}

void JobQueue::require_room(std::int64_t images) {
  const std::lock_guard lock(mutex_);
  std::size_t waiting = 0;
  for (const auto& one : waiting_) {
    images += one->job.request.count - one->begun;
    waiting += one->begun == 0 ? 1 : 0;
  }
  if (draining_) {
    ++counts_.refused;
    throw HttpError({503, "draining", "the server is stopping", "", "try again later", 10});
  }
  if (waiting >= options_.most_waiting || std::cmp_greater(images, options_.most_images)) {
    ++counts_.refused;
    const double wait = waiting_.empty() ? 1.0 : eta_of(*waiting_.back(), 0);
    throw HttpError({503, "queue_full", std::to_string(waiting) + " jobs wait already", "",
                     "try again later", std::max(1, static_cast<int>(wait / 4))});
  }
}

std::optional<std::string> JobQueue::submitted_before(const std::string& key,
                                                      const std::string& fingerprint) const {
  if (key.empty()) {
    return std::nullopt;
  }
  const auto found = history_.by_key(key);
  if (found && found->second != fingerprint) {
    throw HttpError({422, "idempotency_conflict",
                     "this Idempotency-Key came with another request before", "Idempotency-Key",
                     "use a new key for a new request"});
  }
  return found ? std::optional(found->first) : std::nullopt;
}

void JobQueue::enqueue(Job job, Prepared prepared) {
  auto active = std::make_shared<Active>();
  active->job = std::move(job);
  active->batch_key = batch_key_of(prepared);
  active->prepared = std::move(prepared);
  {
    const std::lock_guard lock(mutex_);
    active_[active->job.id] = active;
    waiting_.push_back(active);
  }
  wake_.notify_all();
}

JobView JobQueue::view_of(const Active& active) const {
  JobView view{active.job, {}, active.version};
  if (is_final(active.job.state)) {
    return view;
  }
  view.progress.step = active.step;
  view.progress.images_done = static_cast<std::int64_t>(active.job.images.size());
  std::int64_t position = 0;
  for (const auto& one : waiting_) {
    if (one.get() == &active) {
      break;
    }
    position += one->begun == 0 ? 1 : 0;
  }
  const bool waits = active.job.state == JobState::kQueued;
  view.progress.position = waits ? std::optional(position) : std::nullopt;
  if (seconds_per_work_ > 0.0) {
    view.progress.eta_seconds = eta_of(active, waits ? position : 0);
  }
  return view;
}

double JobQueue::eta_of(const Active& active, std::int64_t position) const {
  std::int64_t work = active.work_left();
  if (active.job.state == JobState::kQueued) {
    for (const auto& [id, one] : active_) {
      work += one->job.state == JobState::kRunning ? one->work_left() : 0;
    }
    for (const auto& one : waiting_) {
      if (one->begun == 0 && position-- <= 0) {
        break;
      }
      work += one->job.state == JobState::kQueued ? one->work_left() : 0;
    }
  }
  return static_cast<double>(work) * seconds_per_work_;
}

std::optional<JobView> JobQueue::view(const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = active_.find(id); found != active_.end()) {
      return view_of(*found->second);
    }
  }
  auto job = history_.find(id);
  return job ? std::optional(JobView{std::move(*job), {}, ~std::uint64_t{0}}) : std::nullopt;
}

std::vector<JobView> JobQueue::list(std::int64_t limit, const std::string& before) const {
  std::vector<JobView> views;
  for (auto& job : history_.list(limit, before)) {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(job.id);
    views.push_back(found != active_.end() ? view_of(*found->second)
                                           : JobView{std::move(job), {}, ~std::uint64_t{0}});
  }
  return views;
}

bool JobQueue::cancel(const std::string& id) {
  std::shared_ptr<Active> active;
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(id);
    if (found == active_.end()) {
      active = nullptr;
    } else {
      active = found->second;
      active->cancel = true;
      if (active->begun > 0) {
        return true;  // the worker sees it at its next step
      }
    }
  }
  if (active == nullptr) {
    return history_.find(id).has_value();
  }
  finish(active, JobState::kCancelled);
  return true;
}

bool JobQueue::remove(const std::string& id) {
  if (!is_id(id)) {
    return false;
  }
  cancel(id);
  {
    std::unique_lock lock(mutex_);
    // Its worker still writes its files until it has seen the cancelling.
    idle_.wait_for(lock, std::chrono::seconds(10), [&] { return active_.count(id) == 0; });
  }
  return history_.remove(id);
}

std::vector<Preview> JobQueue::previews(const std::string& id, std::uint64_t after) const {
  std::vector<Preview> newer;
  const std::lock_guard lock(mutex_);
  if (const auto found = active_.find(id); found != active_.end()) {
    for (const auto& [index, preview] : found->second->previews) {
      if (preview.version > after) {
        newer.push_back(preview);
      }
    }
  }
  return newer;
}

std::shared_ptr<void> JobQueue::watch(const std::string& id, bool previews,
                                      std::function<void()> on_change) {
  auto watcher = std::make_shared<Watcher>(Watcher{id, previews, std::move(on_change)});
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
  watchers_.push_back(watcher);
  return watcher;
}

void JobQueue::changed(const std::shared_ptr<Active>& active) {
  std::vector<std::shared_ptr<Watcher>> called;
  {
    const std::lock_guard lock(mutex_);
    ++active->version;
    for (const auto& weak : watchers_) {
      const auto watcher = weak.lock();
      if (watcher && watcher->id == active->job.id) {
        called.push_back(watcher);
      }
    }
  }
  for (const auto& watcher : called) {
    watcher->on_change();
  }
}

void JobQueue::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

bool JobQueue::wait_until_idle(std::chrono::milliseconds longest) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, longest, [&] { return active_.empty(); });
}

QueueCounts JobQueue::counts() const {
  const std::lock_guard lock(mutex_);
  auto counts = counts_;
  counts.waiting = static_cast<std::size_t>(std::count_if(
      waiting_.begin(), waiting_.end(), [](const auto& one) { return one->begun == 0; }));
  counts.running =
      static_cast<std::size_t>(std::count_if(active_.begin(), active_.end(), [](const auto& one) {
        return one.second->job.state == JobState::kRunning;
      }));
  return counts;
}

void JobQueue::fail(const std::shared_ptr<Active>& active, const Problem& problem) {
  {
    const std::lock_guard lock(mutex_);
    active->job.error = problem;
  }
  finish(active, JobState::kFailed);
}

/// Into the history, and out of the queue. Once: what was finished before stays what it is.
void JobQueue::finish(const std::shared_ptr<Active>& active, JobState state) {
  Job job;
  {
    const std::lock_guard lock(mutex_);
    if (is_final(active->job.state)) {
      return;
    }
    active->job.state = state;
    active->job.finished = now_seconds();
    std::erase(waiting_, active);
    job = active->job;
    auto& counter = state == JobState::kDone     ? counts_.done
                    : state == JobState::kFailed ? counts_.failed
                                                 : counts_.cancelled;
    ++counter;
    if (state == JobState::kDone) {
      const double seconds = seconds_since(active->created_at);
      counts_.latency_sum += seconds;
      for (auto& [limit, count] : counts_.latency) {
        count += seconds <= limit ? 1 : 0;
      }
    }
  }
  try {
    history_.update(job);
  } catch (const Error& e) {
    log_warning(std::string("history: ") + e.what());
  }
  {
    const std::lock_guard lock(mutex_);
    active_.erase(job.id);
  }
  changed(active);
  idle_.notify_all();
}

}  // namespace medaug::app
