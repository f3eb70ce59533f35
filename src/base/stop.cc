// SPDX-License-Identifier: MIT
#include "base/stop.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace medaug {
namespace {

// Signal handlers can reach nothing but globals.
std::atomic<bool> stop_flag{false};
std::atomic<int> save_requests{0};
std::atomic<bool> reload_flag{false};
std::atomic<std::int64_t> first_interrupt_ms{0};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void on_signal(int signal_number) {
  const int saved_errno = errno;
  if (signal_number == SIGUSR1) {
    save_requests.fetch_add(1);
  } else {
    stop_flag.store(true);
  }
  if (signal_number == SIGINT) {
    // Wrappers often deliver one Ctrl+C twice: only a later one is a person who does not want to
    // wait.
    std::int64_t first = 0;
    const std::int64_t now = now_ms();
    if (!first_interrupt_ms.compare_exchange_strong(first, now) && now - first >= 1000) {
      ::_exit(130);
    }
  }
  errno = saved_errno;
}

}  // namespace

void install_stop_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (const int signal_number : {SIGINT, SIGTERM, SIGUSR1}) {
    ::sigaction(signal_number, &action, nullptr);
  }
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
}

void install_reload_signal() {
  struct sigaction action{};
  action.sa_handler = [](int) { reload_flag.store(true); };
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGHUP, &action, nullptr);
}

bool take_reload_request() { return reload_flag.exchange(false); }

bool stop_requested() { return stop_flag.load(std::memory_order_relaxed); }

bool take_save_request() {
  int pending = save_requests.load();
  while (pending > 0) {
    if (save_requests.compare_exchange_weak(pending, pending - 1)) {
      return true;
    }
  }
  return false;
}

void request_stop() { stop_flag.store(true); }

void reset_stop() {
  stop_flag.store(false);
  save_requests.store(0);
  first_interrupt_ms.store(0);
}

}  // namespace medaug
