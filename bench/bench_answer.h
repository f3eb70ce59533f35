// SPDX-License-Identifier: MIT
#pragma once

#include <c10/util/Exception.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace medaug::bench {

/// What a worker prints about one command: seconds, seconds of all cores together, minor page
/// faults, peak bytes of memory so far.
class Watch {
 public:
  void stop() { stopped_ = {monotonic_seconds() - begin_, cpu_seconds() - cpu_begin_}; }

  void answer() {
    if (!stopped_) {
      stop();
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%.6f %.6f %ld %.0f\n", stopped_->seconds, stopped_->cpu, usage.ru_minflt,
                static_cast<double>(usage.ru_maxrss) * 1024.0);
    std::fflush(stdout);
  }

 private:
  struct Taken {
    double seconds, cpu;
  };

  static double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  double begin_ = monotonic_seconds(), cpu_begin_ = cpu_seconds();
  std::optional<Taken> stopped_;
};

/// What `main` of a worker does: runs it, and says what went wrong. @return the exit status
inline int run_main(int argc, char** argv, int (*run)(const std::vector<std::string>&)) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const c10::Error& e) {
    std::fprintf(stderr, "%s\n", e.what_without_backtrace());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  return 1;
}

}  // namespace medaug::bench
