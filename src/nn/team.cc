// SPDX-License-Identifier: MIT
#include "nn/team.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace medaug::nn {
namespace {

constexpr std::int64_t kLeastImages = 4;

/// How many threads OpenMP gives to the operators that this thread starts, until the end of the
/// scope. (at::set_num_threads would change it for threads to come, too.)
class ThreadShare {
 public:
  explicit ThreadShare(int threads) : before_(at::get_num_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadShare() { omp_set_num_threads(before_); }
  ThreadShare(const ThreadShare&) = delete;
  ThreadShare& operator=(const ThreadShare&) = delete;

 private:
  int before_;
};

// The threads live as long as the program: OpenMP keeps helpers for each of them.
class Team {
 public:
  ~Team() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    work_came_.notify_all();
    for (auto& thread : threads_) {
      thread.join();
    }
  }

  void run(int parts, const std::function<void(int)>& work) {
    const std::lock_guard one_at_a_time(turn_);
    const int share = std::max(1, at::get_num_threads() / parts);
    {
      const std::lock_guard lock(mutex_);
      while (static_cast<int>(threads_.size()) < parts - 1) {
        threads_.emplace_back(
            [this, part = static_cast<int>(threads_.size()) + 1] { serve(part); });
      }
      work_ = &work;
      parts_ = parts;
      share_ = share;
      running_ = parts - 1;
      failure_ = nullptr;
      ++round_;
    }
    work_came_.notify_all();
    attempt(work, 0, share);
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return running_ == 0; });
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }

 private:
  void attempt(const std::function<void(int)>& work, int part, int share) {
    try {
      const ThreadShare threads(share);
      work(part);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = failure_ ? failure_ : std::current_exception();
    }
  }

  void serve(int part) {
    std::int64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      work_came_.wait(lock, [&] { return ends_ || (round_ != seen && part < parts_); });
      if (ends_) {
        return;
      }
      seen = round_;
      const auto& work = *work_;
      const int share = share_;
      lock.unlock();
      attempt(work, part, share);
      lock.lock();
      if (--running_ == 0) {
        all_done_.notify_one();
      }
    }
  }

  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable work_came_, all_done_;
  std::vector<std::thread> threads_;
  const std::function<void(int)>* work_ = nullptr;
  std::exception_ptr failure_;
  std::int64_t round_ = 0;
  int parts_ = 0, share_ = 1, running_ = 0;
  bool ends_ = false;
};

}  // namespace

int team_size(std::int64_t images, at::Device device) {
  const auto most = static_cast<std::int64_t>(device.is_cpu() ? at::get_num_threads() : 1);
  return static_cast<int>(std::clamp(images / kLeastImages, std::int64_t{1}, most));
}

void run_team(int parts, const std::function<void(int)>& work) {
  if (parts == 1) {
    work(0);
    return;
  }
  static Team team;
  team.run(parts, work);
}

void run_team(int parts, std::int64_t images, const std::function<void(int, Share)>& work) {
  run_team(parts, [&](int part) {
    const auto begin = images * part / parts;
    work(part, {begin, images * (part + 1) / parts - begin});
  });
}

}  // namespace medaug::nn
