// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace medaug::cli {

struct ProgressOptions {
  std::string label;            ///< "training"
  std::string unit = "steps";   ///< what `total` counts
  std::int64_t total = 0;       ///< 0 = unknown
  bool quiet = false;           ///< nothing at all
  double plain_seconds = 10.0;  ///< between lines when stderr is not a terminal
};

/// Progress with rate and time left on stderr: one bar that is redrawn on a terminal, otherwise a
/// plain line from time to time. Not thread-safe.
class Progress {
 public:
  explicit Progress(ProgressOptions options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Where this session begins, when an earlier one did a part: rate and time left count from here.
  /// @param share in [0, 1]
  void start_from(double share, std::int64_t done);
  /// @param done    so far
  /// @param detail  what stands behind the rate: "loss 0.123"
  void update(std::int64_t done, std::string_view detail = {});
  /// The same when the end is a share of a clock and not a count. @param share in [0, 1]
  void update_share(double share, std::int64_t done, std::string_view detail = {});
  /// Ends the bar's line; later updates start a new one.
  void finish();

 private:
  std::string line(double share, std::int64_t done, std::string_view detail) const;
  void show(double share, std::int64_t done, std::string_view detail);

  ProgressOptions options_;
  bool terminal_ = false;
  bool line_open_ = false;
  bool shown_ = false;
  double first_share_ = 0.0;
  std::int64_t first_done_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace medaug::cli
