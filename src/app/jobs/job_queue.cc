// SPDX-License-Identifier: MIT
#include "app/jobs/job_queue.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace medaug::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenPreviews = std::chrono::milliseconds(150);
constexpr std::array<double, 10> kLatencyBuckets{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// What images must share to be made together.
std::string batch_key_of(const Prepared& prepared) {
  const auto& settings = prepared.settings;
  const Json key = {to_json(settings.sampler), to_json(settings.guidance),
                    settings.image_size,       settings.image_width,
                    settings.negative_caption, prepared.request.init.defined()};
  return key.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Calls of the network per image and step, about.
std::int64_t branches_of(const GuidanceOptions& guidance) {
  return 1 + (guidance.text != 1.0 ? 1 : 0) + (guidance.mask != 1.0 ? 1 : 0);
}

Problem problem_of(const Error& error) {
  return {http_status(error.code()), std::string(name_of(error.code())), error.message(), "",
          error.hint()};
}

}  // namespace

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
  std::map<std::int64_t, Clock::time_point> previewed_at;
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

JobQueue::~JobQueue() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

std::string JobQueue::submit(JobRequest request, const std::string& key,
                             const std::string& fingerprint) {
  const auto model = model_.current();
  auto prepared = model->prepare(request);
  {
    const std::lock_guard lock(mutex_);
    std::int64_t images = request.count;
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

void JobQueue::work() {
  while (!stopping_) {
    auto batch = next_batch();
    if (!batch.empty()) {
      run(batch);
      history_.prune();
    }
  }
}

/// Waits for work. The first job's next images, and those of later jobs that share its settings.
std::vector<JobQueue::Slot> JobQueue::next_batch() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
  std::vector<Slot> batch;
  if (stopping_) {
    return batch;
  }
  const auto key = waiting_.front()->batch_key;
  const bool alone = is_adaptive(waiting_.front()->job.request.sampler.solver);
  const auto lanes = alone ? 1 : model_.current()->lanes();
  for (const auto& active : waiting_) {
    auto& job = active->job;
    while (active->batch_key == key && active->begun < job.request.count &&
           std::cmp_less(batch.size(), lanes)) {
      Slot slot{active, active->begun++, active->prepared.request};
      slot.request.seed = job.request.seed + slot.index;
      batch.push_back(std::move(slot));
    }
    if (active->begun > 0 && job.state == JobState::kQueued) {
      job.state = JobState::kRunning;
      job.started = now_seconds();
      active->started_at = Clock::now();
    }
  }
  std::erase_if(waiting_, [](const auto& one) { return one->begun == one->job.request.count; });
  return batch;
}

void JobQueue::run(const std::vector<Slot>& batch) {
  const auto begin = Clock::now();
  const auto model = model_.current();
  try {
    const auto pixels = sample(*model, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (pixels[i].defined() && is_running(*batch[i].active)) {
        keep(*model, batch[i], pixels[i]);
      }
    }
  } catch (const Error& e) {
    fail_batch(batch, problem_of(e));
  } catch (const c10::Error& e) {
    fail_batch(batch, {500, "internal", e.what_without_backtrace()});
  } catch (const std::exception& e) {
    fail_batch(batch, {500, "internal", e.what()});
  }
  const std::lock_guard lock(mutex_);
  ++counts_.batches;
  counts_.busy_seconds += seconds_since(begin);
}

bool JobQueue::is_running(const Active& active) const {
  const std::lock_guard lock(mutex_);
  return active.job.state == JobState::kRunning;
}

/// Jobs that were made together are tried alone: one must not fail for another's fault.
void JobQueue::fail_batch(const std::vector<Slot>& batch, const Problem& problem) {
  std::map<std::shared_ptr<Active>, std::vector<Slot>> by_job;
  for (const auto& slot : batch) {
    by_job[slot.active].push_back(slot);
  }
  for (const auto& [active, slots] : by_job) {
    by_job.size() == 1 ? fail(active, problem) : run(slots);
  }
}

/// Undefined tensors for what was cancelled.
std::vector<at::Tensor> JobQueue::sample(HostedModel& model, const std::vector<Slot>& batch) {
  std::set<std::shared_ptr<Active>> jobs;
  std::vector<GenerateRequest> requests;
  for (const auto& slot : batch) {
    jobs.insert(slot.active);
    requests.push_back(slot.request);
  }
  const auto& settings = batch.front().active->prepared.settings;
  const auto work =
      static_cast<double>(batch.size()) * static_cast<double>(branches_of(settings.guidance));
  auto last = Clock::now();
  SamplingWatch watch;
  watch.on_step = [&](std::int64_t step, std::int64_t, const at::Tensor&) {
    const double per_work = seconds_since(last) / work;
    last = Clock::now();
    bool wanted = false;
    for (const auto& active : jobs) {
      {
        const std::lock_guard lock(mutex_);
        active->step = step;
        seconds_per_work_ =
            seconds_per_work_ == 0.0 ? per_work : 0.8 * seconds_per_work_ + 0.2 * per_work;
      }
      if (active->cancel) {
        finish(active, JobState::kCancelled);
      } else if (seconds_since(active->started_at) > options_.job_seconds) {
        fail(active, {504, "timeout", "the job took longer than it may", "",
                      "ask for fewer images or steps"});
      } else {
        wanted = wanted || is_running(*active);
        changed(active);
      }
    }
    {
      const std::lock_guard lock(mutex_);
      counts_.steps += 1;
    }
    return wanted && !stopping_;
  };
  watch.on_estimate = [&](std::int64_t first, const at::Tensor& estimate) {
    glimpse(batch, first, estimate);
  };
  return model.generate(requests, settings, watch);
}

/// Whether a glimpse of this image is wanted now; then the next one is not for a while.
bool JobQueue::take_turn(const Slot& slot) {
  const std::lock_guard lock(mutex_);
  auto& active = *slot.active;
  const bool watched = std::any_of(watchers_.begin(), watchers_.end(), [&](const auto& weak) {
    const auto watcher = weak.lock();
    return watcher && watcher->previews && watcher->id == active.job.id;
  });
  const bool shown =
      slot.index - static_cast<std::int64_t>(active.job.images.size()) < options_.most_previews;
  auto& last = active.previewed_at[slot.index];
  if (!watched || !shown || Clock::now() - last < kBetweenPreviews) {
    return false;
  }
  last = Clock::now();
  return true;
}

void JobQueue::glimpse(const std::vector<Slot>& batch, std::int64_t first,
                       const at::Tensor& estimate) {
  for (std::int64_t i = 0; i < estimate.size(0); ++i) {
    const auto& slot = batch[static_cast<std::size_t>(first + i)];
    if (!take_turn(slot)) {
      continue;
    }
    auto pixels = estimate[i].clamp(-1, 1).to(at::kCPU);
    const auto longer = std::max(pixels.size(1), pixels.size(2));
    if (longer > options_.preview_side) {
      const auto every = (longer + options_.preview_side - 1) / options_.preview_side;
      pixels = pixels.slice(1, 0, {}, every).slice(2, 0, {}, every).contiguous();
    }
    auto png = encode_png(from_unit_range(pixels, 8));
    {
      const std::lock_guard lock(mutex_);
      auto& active = *slot.active;
      active.previews[slot.index] = {++active.preview_version, slot.index, active.step,
                                     active.job.request.sampler.steps, std::move(png)};
    }
    changed(slot.active);
  }
}

void JobQueue::keep(HostedModel& model, const Slot& slot, const at::Tensor& pixels) {
  const auto nearest = model_.nearest();
  auto& active = *slot.active;
  const auto made = model.finish(pixels, slot.request, active.prepared.settings, nearest.get());
  const auto number = std::to_string(slot.index);
  history_.write_file(active.job.id, number + ".png", made.png);
  if (!made.nearest_png.empty()) {
    history_.write_file(active.job.id, "nearest-" + number + ".png", made.nearest_png);
  }
  bool complete = false;
  {
    const std::lock_guard lock(mutex_);
    active.job.images.push_back(made.about);
    active.job.model_sha256 = model.sha256();
    active.step = 0;
    ++counts_.images;
    complete = std::cmp_equal(active.job.images.size(), active.job.request.count);
  }
  if (complete) {
    finish(slot.active, JobState::kDone);
  } else if (active.cancel) {
    finish(slot.active, JobState::kCancelled);
  } else {
    changed(slot.active);
  }
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
