// SPDX-License-Identifier: MIT
#include "app/runs.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "app/jobs/job.h"
#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"

namespace medaug::app {
namespace {

namespace fs = std::filesystem;

constexpr int kDepth = 4;
constexpr std::size_t kMostPoints = 2000;
constexpr double kActiveSeconds = 60.0;
constexpr double kBetweenScans = 5.0;
constexpr std::int64_t kMostLogBytes = 64LL << 20;
const char* const kColumns[] = {"step", "loss", "grad_norm", "rate", "learning_rate"};

double modified(const fs::path& file) {
  std::error_code error;
  const auto time = fs::last_write_time(file, error);
  if (error) {
    return 0.0;
  }
  const auto age = fs::file_time_type::clock::now() - time;
  return now_seconds() - std::chrono::duration<double>(age).count();
}

double number_of(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : std::nan("");
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// A log that is rewritten while we look is read as far as it is JSON.
Json read_json(const fs::path& file) {
  try {
    return Json::parse(read_file(file, kMostLogBytes, ErrorCode::kData), nullptr, false);
  } catch (const Error&) {
    return nullptr;
  }
}

Json read_summary(const fs::path& run) { return read_json(run / "logs/training_log.json"); }

bool has_ended(const Json& summary) {
  return summary.is_object() && summary.contains("why_ended") && !summary["why_ended"].is_null();
}

bool is_recent(double updated) { return now_seconds() - updated < kActiveSeconds; }

/// {"step", "loss", "ema_loss"}: of the weights (or their fastest average) and of the best average.
Json validation_curve(const Json& log) {
  Json steps = Json::array(), loss = Json::array(), averages = Json::array();
  const auto found = log.is_object() ? log.find("validations") : log.end();
  if (found != log.end() && found->is_array()) {
    for (const auto& entry : *found) {
      double raw = std::nan(""), best = std::nan("");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_object()) {
          continue;
        }
        const double one = number_of(value, "loss");
        if (key.rfind("average", 0) == 0) {
          best = std::isnan(best) ? one : std::min(best, one);
        } else {
          raw = one;
        }
      }
      steps.push_back(entry.value("step", std::int64_t{0}));
      loss.push_back(number_or_null(raw));
      averages.push_back(number_or_null(best));
    }
  }
  return {{"step", steps}, {"loss", loss}, {"ema_loss", averages}};
}

Json samples_of(const fs::path& folder, const std::string& id) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator file(folder / "samples", error), end; !error && file != end;
       file.increment(error)) {
    const auto name = file->path().filename().string();
    if (name.rfind("step-", 0) == 0 && file->path().extension() == ".png") {
      steps.push_back(std::strtoll(name.c_str() + 5, nullptr, 10));
    }
  }
  std::sort(steps.begin(), steps.end());
  Json samples = Json::array();
  for (const auto step : steps) {
    samples.push_back(
        {{"step", step}, {"url", "/v1/runs/" + id + "/samples/" + std::to_string(step) + ".png"}});
  }
  return samples;
}

/// The newest checkpoint whose manifest can be read; those are verified when they are saved.
Json last_checkpoint(const fs::path& folder) {
  try {
    const auto checkpoints = list_checkpoints(RunPaths(folder));
    if (!checkpoints.empty()) {
      const auto& newest = checkpoints.front();
      return {{"step", newest.step},
              {"age_seconds", now_seconds() - modified(newest.folder / "MANIFEST.json")},
              {"verified", true}};
    }
  } catch (const Error&) {
    // being written or rolled back
  }
  return nullptr;
}

}  // namespace

void RunFolders::Curve::add(const std::vector<double>& point) {
  if (columns.empty()) {
    columns.resize(point.size());
  }
  if (seen++ % every == 0) {
    for (std::size_t i = 0; i < point.size(); ++i) {
      columns[i].push_back(point[i]);
    }
  }
  if (columns.front().size() >= 2 * kMostPoints) {
    for (auto& column : columns) {
      for (std::size_t i = 0; i < kMostPoints; ++i) {
        column[i] = column[2 * i];
      }
      column.resize(kMostPoints);
    }
    every *= 2;
  }
}

void RunFolders::scan() {
  if (now_seconds() - scanned_ < kBetweenScans) {
    return;
  }
  scanned_ = now_seconds();
  std::error_code error;
  fs::recursive_directory_iterator entry(root_, fs::directory_options::skip_permission_denied,
                                         error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry.depth() >= kDepth || entry->is_symlink(error)) {
      entry.disable_recursion_pending();
    }
    const auto folder = entry->path();
    if (!entry->is_directory(error) || !fs::is_regular_file(folder / "logs/metrics.jsonl", error)) {
      continue;
    }
    entry.disable_recursion_pending();
    const auto name = fs::relative(folder, root_, error).string();
    const auto id = sha256(name).substr(0, 32);
    runs_.try_emplace(id, Run{folder, printable(name, 200)});
  }
  if (fs::is_regular_file(root_ / "logs/metrics.jsonl", error)) {  // the folder is a run itself
    const auto name = fs::absolute(root_).filename().string();
    runs_.try_emplace(sha256(name).substr(0, 32), Run{root_, printable(name, 200)});
  }
}

void RunFolders::read_log(Run& run) const {
  const auto path = run.folder / "logs/metrics.jsonl";
  std::error_code error;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error || size == run.offset) {
    return;
  }
  if (size < run.offset) {  // a resumed run cuts its log
    const Run fresh{run.folder, run.name};
    run = fresh;
  }
  std::ifstream file(path, std::ios::binary);
  file.seekg(run.offset);
  std::string line;
  while (std::getline(file, line)) {
    if (file.eof()) {  // its end is not written yet
      break;
    }
    run.offset += static_cast<std::int64_t>(line.size()) + 1;
    auto json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step")) {
      continue;
    }
    const double seconds = number_of(json, "elapsed_seconds");
    const double images = number_of(json, "images_seen");
    run.recent.emplace_back(seconds, images);
    if (run.recent.size() > 50) {
      run.recent.erase(run.recent.begin());
    }
    const auto& first = run.recent.front();
    run.rate = seconds > first.first ? (images - first.second) / (seconds - first.first) : 0.0;
    const double loss = number_of(json, "loss");
    if (json.value("skipped", false) && run.events.size() < 200) {
      run.events.push_back(
          {{"step", json["step"]}, {"text", "skipped: loss or gradient not finite"}});
    }
    run.steps.add({number_of(json, "step"), loss, number_of(json, "gradient_norm"), run.rate,
                   number_of(json, "learning_rate")});
    run.last = std::move(json);
  }
}

RunFolders::Run* RunFolders::run_of(const std::string& id) {
  scan();
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : &found->second;
}

Json RunFolders::list() {
  const std::lock_guard lock(mutex_);
  scan();
  std::vector<Json> runs;
  for (auto& [id, run] : runs_) {
    read_log(run);
    const double updated = modified(run.folder / "logs/metrics.jsonl");
    runs.push_back({{"id", id},
                    {"name", run.name},
                    {"step", run.last.is_object() ? run.last["step"] : Json(0)},
                    {"updated", updated},
                    {"active", is_recent(updated) && !has_ended(read_summary(run.folder))}});
  }
  std::sort(runs.begin(), runs.end(), [](const Json& a, const Json& b) {
    return a["updated"].get<double>() > b["updated"].get<double>();
  });
  return {{"runs", runs}};
}

std::optional<Json> RunFolders::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto* const run = run_of(id);
  if (run == nullptr) {
    return std::nullopt;
  }
  read_log(*run);
  const double updated = modified(run->folder / "logs/metrics.jsonl");
  Json train = Json::object();
  for (std::size_t i = 0; i < std::size(kColumns); ++i) {
    Json column = Json::array();
    if (!run->steps.columns.empty()) {
      for (const double value : run->steps.columns[i]) {
        column.push_back(number_or_null(value));
      }
    }
    train[kColumns[i]] = std::move(column);
  }
  const auto log = read_summary(run->folder);
  const bool active = is_recent(updated) && !has_ended(log);
  const auto of_last = [&](const char* key) {
    return run->last.is_object() ? number_or_null(number_of(run->last, key)) : Json(nullptr);
  };
  return Json{{"id", id},
              {"name", run->name},
              {"active", active},
              {"updated", updated},
              {"step", of_last("step")},
              {"images", of_last("images_seen")},
              {"epoch", of_last("epoch")},
              {"rate", run->rate},
              {"eta_seconds", active ? of_last("eta_seconds") : Json(nullptr)},
              {"elapsed_seconds", of_last("elapsed_seconds")},
              {"learning_rate", of_last("learning_rate")},
              {"last_checkpoint", last_checkpoint(run->folder)},
              {"series", {{"train", train}, {"validation", validation_curve(log)}}},
              {"events", run->events},
              {"samples", samples_of(run->folder, id)}};
}

std::uint64_t RunFolders::version(const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto* const run = run_of(id);
  if (run == nullptr) {
    return 0;
  }
  std::error_code error;
  const auto size = fs::file_size(run->folder / "logs/metrics.jsonl", error);
  return error ? 0 : static_cast<std::uint64_t>(size);
}

std::optional<std::string> RunFolders::sample(const std::string& id, std::int64_t step) {
  fs::path folder;
  {
    const std::lock_guard lock(mutex_);
    const auto* const run = run_of(id);
    if (run == nullptr) {
      return std::nullopt;
    }
    folder = run->folder;
  }
  const auto file = folder / "samples" / ("step-" + std::to_string(step) + ".png");
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    return std::nullopt;
  }
  return read_file(file, kMostLogBytes, ErrorCode::kData);
}

}  // namespace medaug::app
