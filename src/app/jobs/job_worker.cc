// SPDX-License-Identifier: MIT
// The thread of JobQueue: forms batches, makes them, keeps what came out.

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "app/jobs/job_queue.h"
#include "app/jobs/job_state.h"
#include "base/error.h"

namespace medaug::app {
namespace {

constexpr auto kBetweenPreviews = std::chrono::milliseconds(150);
/// Of the time that a job takes, what its previews may: decoding latents is slow.
constexpr double kPreviewShare = 0.05;
/// Clients whose jobs were made together come back together: for that share of the time they took,
/// the next batch waits for them.
constexpr double kGatherShare = 0.05;
constexpr auto kLongestGather = std::chrono::milliseconds(50);

Problem problem_of(const Error& error) {
  return {http_status(error.code()), std::string(name_of(error.code())), error.message(), "",
          error.hint()};
}

}  // namespace

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
  wake_.wait_until(lock, gather_until_,
                   [&] { return stopping_ || waiting_.size() >= gather_jobs_; });
  std::vector<Slot> batch;
  if (stopping_ || waiting_.empty()) {  // cancelled while it was waited for
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

/// Jobs that failed together are tried alone: one must not fail for another's fault.
void JobQueue::run(const std::vector<Slot>& batch) {
  const auto begin = Clock::now();
  std::map<std::shared_ptr<Active>, std::vector<Slot>> by_job;
  for (const auto& slot : batch) {
    by_job[slot.active].push_back(slot);
  }
  if (const auto problem = attempt(batch)) {
    for (const auto& [active, slots] : by_job) {
      if (const auto own = by_job.size() == 1 ? problem : attempt(slots)) {
        fail(active, *own);
      }
    }
  }
  const std::lock_guard lock(mutex_);
  ++counts_.batches;
  counts_.busy_seconds += seconds_since(begin);
  const auto pause = kGatherShare * (Clock::now() - begin);
  gather_jobs_ = std::min(by_job.size() + waiting_.size(),
                          static_cast<std::size_t>(model_.current()->lanes()));
  gather_until_ =
      gather_jobs_ < 2
          ? Clock::time_point{}
          : Clock::now() + std::min<Clock::duration>(
                               kLongestGather, std::chrono::duration_cast<Clock::duration>(pause));
}

/// @return  what went wrong
std::optional<Problem> JobQueue::attempt(const std::vector<Slot>& batch) {
  const auto model = model_.current();
  try {
    const auto pixels = sample(*model, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (pixels[i].defined() && is_wanted(batch[i])) {
        keep(*model, batch[i], pixels[i]);
      }
    }
  } catch (const Error& e) {
    return problem_of(e);
  } catch (const c10::Error& e) {
    return Problem{500, "internal", e.what_without_backtrace()};
  } catch (const std::exception& e) {
    return Problem{500, "internal", e.what()};
  }
  return std::nullopt;
}

bool JobQueue::is_running(const Active& active) const {
  const std::lock_guard lock(mutex_);
  return active.job.state == JobState::kRunning;
}

/// Not when an attempt before this one kept the image already.
bool JobQueue::is_wanted(const Slot& slot) const {
  return is_running(*slot.active) &&
         std::cmp_greater_equal(slot.index, slot.active->job.images.size());
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
    for (std::int64_t i = 0; i < estimate.size(0); ++i) {
      const auto& slot = batch[static_cast<std::size_t>(first + i)];
      if (take_turn(slot)) {
        glimpse_of(model, slot, estimate.narrow(0, i, 1));
      }
    }
  };
  return model.generate(requests, settings, watch);
}

/// Whether a glimpse of this image is wanted now.
bool JobQueue::take_turn(const Slot& slot) {
  const std::lock_guard lock(mutex_);
  auto& active = *slot.active;
  const bool watched = std::any_of(watchers_.begin(), watchers_.end(), [&](const auto& weak) {
    const auto watcher = weak.lock();
    return watcher && watcher->previews && watcher->id == active.job.id;
  });
  const bool shown =
      slot.index - static_cast<std::int64_t>(active.job.images.size()) < options_.most_previews;
  return watched && shown && Clock::now() >= active.next_preview[slot.index];
}

void JobQueue::glimpse_of(HostedModel& model, const Slot& slot, const at::Tensor& estimate) {
  const auto begin = Clock::now();
  auto pixels = model.glimpse(estimate)[0].clamp(-1, 1).to(at::kCPU);
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
    const auto shown = std::min(active.job.request.count, options_.most_previews);
    const auto cost = (Clock::now() - begin) * static_cast<double>(shown) / kPreviewShare;
    active.next_preview[slot.index] =
        Clock::now() + std::max<Clock::duration>(kBetweenPreviews,
                                                 std::chrono::duration_cast<Clock::duration>(cost));
  }
  changed(slot.active);
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

}  // namespace medaug::app
