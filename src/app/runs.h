// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/http/message.h"

namespace medaug::app {

/// The run folders below a folder, read while `medaug train` writes them. A client names a run by
/// an id that was made here; no path ever comes from it. Thread-safe.
class RunFolders {
 public:
  explicit RunFolders(std::filesystem::path root) : root_(std::move(root)) {}

  /// [{"id", "name", "step", "updated", "active"}], the newest first
  Json list();
  /// One run, with its curves thinned. None when it is not there.
  std::optional<Json> find(const std::string& id);
  /// Grows with every line that the run's log gets.
  std::uint64_t version(const std::string& id);
  std::optional<std::string> sample(const std::string& id, std::int64_t step);

 private:
  /// A growing curve that never holds more than a few thousand points: every other one goes when
  /// there are too many.
  struct Curve {
    std::vector<std::vector<double>> columns = {};
    std::int64_t every = 1, seen = 0;
    void add(const std::vector<double>& point);
  };
  struct Run {
    std::filesystem::path folder;
    std::string name;
    std::int64_t offset = 0;  ///< bytes of the log that were read
    std::string rest = {};    ///< of a line that was not finished
    Curve steps = {};
    Json last = nullptr;
    double rate = 0.0;
    std::vector<std::pair<double, double>> recent = {};  ///< (seconds, images)
    Json events = Json::array();
  };

  void scan();
  void read_log(Run& run) const;
  Run* run_of(const std::string& id);

  std::filesystem::path root_;
  std::mutex mutex_;
  std::map<std::string, Run> runs_;
  double scanned_ = 0.0;
};

}  // namespace medaug::app
