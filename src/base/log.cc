// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

namespace medaug {
namespace {

std::atomic<LogLevel> current_level{LogLevel::kInfo};

std::string_view prefix_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug: ";
    case LogLevel::kWarning:
      return "warning: ";
    case LogLevel::kError:
      return "error: ";
    case LogLevel::kInfo:
    case LogLevel::kQuiet:
      break;
  }
  return "";
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) {
      return;  // nowhere to complain to
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void set_log_level(LogLevel level) { current_level.store(level, std::memory_order_relaxed); }
LogLevel log_level() { return current_level.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message) {
  if (level < log_level() || level == LogLevel::kQuiet) {
    return;
  }
  std::string line(prefix_of(level));
  line.append(message).push_back('\n');
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  write_all(line);
}

}  // namespace medaug
