// SPDX-License-Identifier: MIT
#include "app/jobs/history.h"

#include <sqlite3.h>

#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace medaug::app {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostFileBytes = 512LL << 20;

constexpr const char* kSchema = R"sql(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT UNIQUE NOT NULL,
  final INTEGER NOT NULL,
  created REAL NOT NULL,
  bytes INTEGER NOT NULL,
  document TEXT NOT NULL,
  key TEXT UNIQUE,
  fingerprint TEXT);
CREATE INDEX IF NOT EXISTS unfinished ON jobs (final) WHERE final = 0;
)sql";

std::int64_t bytes_below(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    bytes += static_cast<std::int64_t>(file->file_size(error));
  }
  return bytes;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

struct History::Lock {
  explicit Lock(const fs::path& folder) : lock(folder) {}
  FolderLock lock;
};

/// A prepared statement with its values, for one use.
class History::Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) {
    check(sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                            SQLITE_TRANSIENT));
    return *this;
  }
  Statement& bind(std::int64_t number) {
    check(sqlite3_bind_int64(statement_, ++bound_, number));
    return *this;
  }
  Statement& bind(double number) {
    check(sqlite3_bind_double(statement_, ++bound_, number));
    return *this;
  }
  Statement& bind_null() {
    check(sqlite3_bind_null(statement_, ++bound_));
    return *this;
  }
  /// Whether there is a (further) row.
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
      check(result);
    }
    return result == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* const bytes = sqlite3_column_text(statement_, column);
    return bytes == nullptr ? "" : reinterpret_cast<const char*>(bytes);
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  void check(int result) const {
    if (result != SQLITE_OK) {
      throw Error(ErrorCode::kResource, "history",
                  std::string("the data base cannot be used: ") + sqlite3_errmsg(database_),
                  "is the disk full, or the folder not writable?");
    }
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

History::History(const fs::path& folder, const HistoryBudget& budget)
    : folder_(folder), budget_(budget) {
  make_folders(folder_ / "jobs");
  lock_ = std::make_unique<Lock>(folder_);
  const auto file = folder_ / "history.sqlite";
  const int result =
      sqlite3_open_v2(file.c_str(), &database_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  try {
    if (result != SQLITE_OK) {
      throw Error(ErrorCode::kResource, file.string(), "cannot be opened as a data base",
                  "name another folder with --history");
    }
    execute(kSchema);
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

History::~History() { sqlite3_close(database_); }

void History::execute(const char* sql) const {
  char* message = nullptr;
  if (sqlite3_exec(database_, sql, nullptr, nullptr, &message) != SQLITE_OK) {
    const std::string text = message == nullptr ? "" : message;
    sqlite3_free(message);
    throw Error(ErrorCode::kResource, (folder_ / "history.sqlite").string(),
                "is no usable data base: " + text, "move it away: a new one will be made");
  }
}

fs::path History::folder_of(const std::string& id) const {
  MEDAUG_ASSERT(is_id(id));
  return folder_ / "jobs" / id;
}

void History::insert(const Job& job, const std::string& key, const std::string& fingerprint) {
  make_folders(folder_of(job.id));
  const auto& request = job.request;
  for (const auto& [name, bytes] : {std::pair{"mask.png", &request.mask_png},
                                    {"init", &request.init_image},
                                    {"region.png", &request.region_png}}) {
    if (!bytes->empty()) {
      write_file(job.id, name, *bytes);
    }
  }
  const std::lock_guard lock(mutex_);
  Statement insert(database_,
                   "INSERT INTO jobs (id, final, created, bytes, document, key, fingerprint) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.bind(job.id)
      .bind(std::int64_t{is_final(job.state)})
      .bind(job.created)
      .bind(bytes_below(folder_of(job.id)))
      .bind(dump(stored_json(job)));
  key.empty() ? insert.bind_null() : insert.bind(key);
  insert.bind(fingerprint).step();
}

void History::update(const Job& job) {
  const std::lock_guard lock(mutex_);
  Statement(database_, "UPDATE jobs SET final = ?, bytes = ?, document = ? WHERE id = ?")
      .bind(std::int64_t{is_final(job.state)})
      .bind(bytes_below(folder_of(job.id)))
      .bind(dump(stored_json(job)))
      .bind(job.id)
      .step();
}

bool History::remove(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    Statement(database_, "DELETE FROM jobs WHERE id = ?").bind(id).step();
    if (sqlite3_changes(database_) == 0) {
      return false;
    }
  }
  std::error_code ignored;
  fs::remove_all(folder_of(id), ignored);
  return true;
}

Job History::job_of(const std::string& id, const std::string& document) const {
  auto job = job_from_stored(Json::parse(document));
  job.id = id;
  job.request.mask_png = read_file(id, "mask.png").value_or("");
  job.request.init_image = read_file(id, "init").value_or("");
  job.request.region_png = read_file(id, "region.png").value_or("");
  return job;
}

std::optional<Job> History::find(const std::string& id) const {
  if (!is_id(id)) {
    return std::nullopt;
  }
  std::string document;
  {
    const std::lock_guard lock(mutex_);
    Statement select(database_, "SELECT document FROM jobs WHERE id = ?");
    if (!select.bind(id).step()) {
      return std::nullopt;
    }
    document = select.text(0);
  }
  return job_of(id, document);
}

std::vector<Job> History::list(std::int64_t limit, const std::string& before) const {
  std::vector<std::pair<std::string, std::string>> rows;
  {
    const std::lock_guard lock(mutex_);
    Statement select(database_,
                     "SELECT id, document FROM jobs WHERE number < "
                     "coalesce((SELECT number FROM jobs WHERE id = ?), 9223372036854775807) "
                     "ORDER BY number DESC LIMIT ?");
    select.bind(before).bind(limit);
    while (select.step()) {
      rows.emplace_back(select.text(0), select.text(1));
    }
  }
  std::vector<Job> jobs;
  for (const auto& [id, document] : rows) {
    jobs.push_back(job_of(id, document));
  }
  return jobs;
}

std::vector<Job> History::unfinished() const {
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    Statement select(database_, "SELECT id FROM jobs WHERE final = 0 ORDER BY number");
    while (select.step()) {
      ids.push_back(select.text(0));
    }
  }
  std::vector<Job> jobs;
  for (const auto& id : ids) {
    if (auto job = find(id)) {
      jobs.push_back(std::move(*job));
    }
  }
  return jobs;
}

std::optional<std::pair<std::string, std::string>> History::by_key(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  Statement select(database_, "SELECT id, fingerprint FROM jobs WHERE key = ?");
  if (!select.bind(key).step()) {
    return std::nullopt;
  }
  return std::pair{select.text(0), select.text(1)};
}

void History::write_file(const std::string& id, const std::string& name,
                         std::string_view bytes) const {
  write_file_atomically(folder_of(id) / name, bytes);
}

std::optional<std::string> History::read_file(const std::string& id,
                                              const std::string& name) const {
  const auto path = folder_of(id) / name;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    return std::nullopt;
  }
  try {
    return medaug::read_file(path, kMostFileBytes, ErrorCode::kResource);
  } catch (const Error&) {
    return std::nullopt;  // deleted meanwhile
  }
}

std::int64_t History::prune() {
  std::vector<std::string> old;
  {
    const std::lock_guard lock(mutex_);
    // Newest first: what lies beyond the budget of bytes, or of days.
    Statement select(database_,
                     "SELECT id FROM (SELECT id, final, created, sum(bytes) OVER (ORDER BY number "
                     "DESC) AS total FROM jobs) WHERE final = 1 AND (total > ? OR created < ?)");
    select.bind(budget_.max_bytes)
        .bind(now_seconds() - 86400.0 * static_cast<double>(budget_.max_days));
    while (select.step()) {
      old.push_back(select.text(0));
    }
  }
  for (const auto& id : old) {
    remove(id);
  }
  if (!old.empty()) {
    log_debug("history: " + std::to_string(old.size()) + " jobs beyond the budget deleted");
  }
  return static_cast<std::int64_t>(old.size());
}

std::int64_t History::bytes() const {
  const std::lock_guard lock(mutex_);
  Statement select(database_, "SELECT coalesce(sum(bytes), 0) FROM jobs");
  return select.step() ? select.number(0) : 0;
}

}  // namespace medaug::app
