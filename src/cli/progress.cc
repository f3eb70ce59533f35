// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <utility>

#include "base/strings.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBarCells = 24;
constexpr double kRedrawSeconds = 0.1;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string rate_text(double rate) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), rate >= 100.0 ? "%.0f" : "%.2f", rate);
  return buffer;
}

}  // namespace

Progress::Progress(ProgressOptions options)
    : options_(std::move(options)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::start_from(double share, std::int64_t done) {
  start_ = Clock::now();
  first_share_ = share;
  first_done_ = done;
}

void Progress::update(std::int64_t done, std::string_view detail) {
  const double share =
      options_.total > 0 ? static_cast<double>(done) / static_cast<double>(options_.total) : -1.0;
  show(share, done, detail);
}

void Progress::update_share(double share, std::int64_t done, std::string_view detail) {
  show(std::clamp(share, 0.0, 1.0), done, detail);
}

void Progress::finish() {
  if (line_open_) {
    std::cerr << '\n' << std::flush;
    line_open_ = false;
  }
}

std::string Progress::line(double share, std::int64_t done, std::string_view detail) const {
  const double elapsed = seconds_since(start_);
  const double rate = elapsed > 0.0 ? static_cast<double>(done - first_done_) / elapsed : 0.0;
  std::string out = options_.label;
  if (terminal_ && share >= 0.0) {
    const auto full = static_cast<std::size_t>(std::lround(share * kBarCells));
    out += concat({" [", std::string(full, '#'), std::string(kBarCells - full, '.'), "]"});
  }
  out += concat({" ", std::to_string(done)});
  if (options_.total > 0) {
    out += concat({"/", std::to_string(options_.total)});
  }
  out += concat({" ", options_.unit, ", ", rate_text(rate), "/s"});
  if (share > first_share_ && share < 1.0) {
    const double left = elapsed * (1.0 - share) / (share - first_share_);
    out += concat({", ", human_seconds(left), " left"});
  }
  if (!detail.empty()) {
    out += concat({", ", detail});
  }
  return out;
}

void Progress::show(double share, std::int64_t done, std::string_view detail) {
  const double wait = terminal_ ? kRedrawSeconds : options_.plain_seconds;
  const bool last = share >= 1.0;
  if (options_.quiet || (shown_ && !last && seconds_since(last_) < wait)) {
    return;
  }
  shown_ = true;
  last_ = Clock::now();
  if (terminal_) {
    std::cerr << '\r' << line(share, done, detail) << "\033[K" << std::flush;
    line_open_ = true;
  } else {
    std::cerr << line(share, done, detail) << '\n' << std::flush;
  }
}

}  // namespace medaug::cli
