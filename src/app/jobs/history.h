// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/jobs/job.h"

struct sqlite3;

namespace medaug::app {

struct HistoryBudget {
  std::int64_t max_bytes = 2048LL << 20;
  std::int64_t max_days = 30;
};

/// Jobs and their pictures on the disk: `history.sqlite` (write-ahead log) and jobs/ID/NAME. What
/// `insert` and `update` have returned from is there after a crash of the program. Pictures are
/// written before the row that counts them. Thread-safe.
class History {
 public:
  /// Opens or makes it; a second server on the same folder is refused. @throws Error kResource
  History(const std::filesystem::path& folder, const HistoryBudget& budget);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// Writes the uploaded files and the row.
  /// @param key, fingerprint  Idempotency-Key and what the request was; key may be empty
  void insert(const Job& job, const std::string& key, const std::string& fingerprint);
  void update(const Job& job);
  /// With its pictures. False when there is none.
  bool remove(const std::string& id);

  std::optional<Job> find(const std::string& id) const;
  /// Newest first, `limit` of them, older than the job `before` where that is not empty.
  std::vector<Job> list(std::int64_t limit, const std::string& before) const;
  /// Jobs that a crash interrupted, oldest first, with their uploaded files.
  std::vector<Job> unfinished() const;
  /// Id and fingerprint of the job that came with this Idempotency-Key.
  std::optional<std::pair<std::string, std::string>> by_key(const std::string& key) const;

  void write_file(const std::string& id, const std::string& name, std::string_view bytes) const;
  /// Nothing when it is not there. @param name  one of ours, never from an address
  std::optional<std::string> read_file(const std::string& id, const std::string& name) const;

  /// Deletes the oldest finished jobs beyond the budget. @return how many
  std::int64_t prune();
  std::int64_t bytes() const;

 private:
  class Statement;
  std::filesystem::path folder_of(const std::string& id) const;
  void execute(const char* sql) const;
  Job job_of(const std::string& id, const std::string& document) const;

  std::filesystem::path folder_;
  HistoryBudget budget_;
  struct Lock;
  std::unique_ptr<Lock> lock_;
  mutable std::mutex mutex_;
  sqlite3* database_ = nullptr;
};

}  // namespace medaug::app
