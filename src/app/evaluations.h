// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/http/message.h"
#include "evaluation/evaluate.h"

namespace medaug::app {

/// What the page may ask of `medaug evaluate`. Folders and manifests are named by ids that were
/// made here.
struct EvaluationRequest {
  std::string generated;
  std::string reference = {};
  std::string training = {};
  bool paired = true;
  bool distribution = false;
  bool copies = false;
  bool segmenter = false;
};

/// Evaluations of folders and manifests below one folder, one at a time in a thread of their own.
/// Results stay in the folder of the history. Thread-safe.
class Evaluations {
 public:
  Evaluations(std::filesystem::path root, std::filesystem::path output,
              std::filesystem::path segmenter);
  ~Evaluations();
  Evaluations(const Evaluations&) = delete;
  Evaluations& operator=(const Evaluations&) = delete;

  /// {"sources": [{"id", "name", "kind", "images"}]}
  Json sources();
  /// @return its id. @throws HttpError 400 for an unknown source, 503 when too many wait
  std::string submit(const EvaluationRequest& request);
  std::optional<Json> find(const std::string& id) const;
  Json list() const;
  /// The report or the JSON of a finished one.
  std::optional<std::string> file(const std::string& id, bool report) const;

 private:
  struct Entry {
    std::string id;
    std::string state = "queued";
    std::string part = {};
    std::int64_t done = 0, total = 0;
    double created = 0.0;
    Json names = Json::object();
    std::optional<Problem> error = {};
    EvaluateOptions options = {};
  };

  void scan();
  std::filesystem::path source(const std::string& id, const char* field);
  void check_copies(const EvaluationRequest& request);
  static Json json_of(const Entry& entry);
  void work();
  void run(const EvaluateOptions& options, const std::string& id);

  std::filesystem::path root_, output_, segmenter_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Json> sources_;  ///< by id: {"id", "name", "kind", "images"}
  std::map<std::string, Entry> entries_;
  std::deque<std::string> waiting_;
  std::atomic<bool> stopping_{false};
  std::thread worker_;
};

}  // namespace medaug::app
