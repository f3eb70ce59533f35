// SPDX-License-Identifier: MIT
#include "checkpoint/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/crash_point.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

using internal::crash_point;
constexpr std::string_view kPrefix = "step-";

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

/// The step of a name made by `step_name`, or none.
std::optional<std::int64_t> step_of(std::string_view name) {
  std::int64_t step = 0;
  if (!name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end || step_name(step) != name) {
    return std::nullopt;
  }
  return step;
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  return entries;
}

/// What saves and deletions that were killed have left behind.
void remove_leftovers(const fs::path& checkpoints) {
  for (const auto& entry : entries_of(checkpoints)) {
    const std::string name = entry.filename().string();
    if (name.find(".tmp.") != std::string::npos) {
      std::error_code ignored;
      fs::remove_all(entry, ignored);
    }
  }
}

std::string temporary_name(std::int64_t step, std::string_view kind) {
  std::string name = step_name(step);
  return name.append(".tmp.").append(kind).append(std::to_string(::getpid()));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw Error(ErrorCode::kResource, shown(to), "cannot put in place: " + error.message());
  }
}

/// First out of sight, so that a kill on the way leaves no step folder with half of its files.
void remove_step(const fs::path& folder, std::int64_t step) {
  const fs::path doomed = folder.parent_path() / temporary_name(step, "old");
  rename_folder(folder, doomed);
  crash_point("renamed a folder to delete");
  std::error_code ignored;  // what is left goes with the next save
  fs::remove_all(doomed, ignored);
}

void check_space(const fs::path& checkpoints, std::int64_t expected_bytes) {
  const std::int64_t needed = 2 * expected_bytes;
  const std::int64_t available = free_bytes(checkpoints);
  if (available < needed) {
    throw Error(
        ErrorCode::kResource, shown(checkpoints),
        "not enough space for a checkpoint: " + human_bytes(static_cast<double>(available)) +
            " free, " + human_bytes(static_cast<double>(needed)) + " needed",
        "free some space on this disk; what was saved before is untouched");
  }
}

void write_files(const fs::path& folder, const std::vector<CheckpointFile>& files) {
  for (const auto& file : files) {
    file.write(folder / file.name);
    crash_point("wrote a file");
    sync_file(folder / file.name);
  }
  crash_point("synced the files");
}

/// A folder of that step from before a rollback makes room. When `best` names it, `best` goes
/// first: the exported best_model.safetensors stays, and no pointer names weights that are other
/// ones.
void put_in_place(const RunPaths& run, const fs::path& temporary, std::int64_t step) {
  const fs::path folder = run.checkpoints / step_name(step);
  std::error_code ignored;
  if (fs::exists(folder, ignored)) {
    if (pointed_step(run, "best") == step_name(step)) {
      fs::remove(run.checkpoints / "best", ignored);
    }
    remove_step(folder, step);
  }
  rename_folder(temporary, folder);
  crash_point("renamed the folder");
  sync_folder(folder.parent_path());
  crash_point("synced the parent");
}

void keep_last(const RunPaths& run, int count) {
  const auto latest = pointed_step(run, "latest");
  const auto best = pointed_step(run, "best");
  // What a rollback left behind goes before what the run now stands on.
  auto all = list_checkpoints(run);
  std::stable_partition(all.begin(), all.end(), [&](const Checkpoint& c) {
    return !latest || c.step <= *step_of(*latest);
  });
  int kept = 0;
  for (const auto& checkpoint : all) {
    const std::string name = checkpoint.folder.filename().string();
    if (kept < count || name == latest || name == best) {
      ++kept;
      continue;
    }
    crash_point("before a deletion");
    remove_step(checkpoint.folder, checkpoint.step);
    crash_point("after a deletion");
  }
}

Checkpoint verified(const fs::path& folder) {
  const StepManifest manifest = verify_checkpoint(folder);
  if (step_name(manifest.step) != folder.filename().string()) {
    throw Error(ErrorCode::kCheckpoint, shown(folder),
                "holds step " + std::to_string(manifest.step) + ": the folder was renamed");
  }
  return {folder, manifest.step, manifest.serial};
}

std::string utc_now() {
  std::array<char, 32> text{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

RunPaths::RunPaths(fs::path folder)
    : run(std::move(folder)),
      checkpoints(run / "checkpoints"),
      logs(run / "logs"),
      samples(run / "samples"),
      config(run / "config.yaml") {}

RunPaths make_run_folder(const fs::path& run) {
  RunPaths paths(run);
  for (const auto& folder : {paths.checkpoints, paths.logs, paths.samples}) {
    make_folders(folder);
  }
  return paths;
}

std::string step_name(std::int64_t step) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "step-%07lld", static_cast<long long>(step));
  return text.data();
}

bool is_step_name(std::string_view name) { return step_of(name).has_value(); }

Checkpoint save_step(const RunPaths& run, std::int64_t step,
                     const std::vector<CheckpointFile>& files, const SaveOptions& options) {
  MEDAUG_ASSERT(step >= 0 && options.keep_last >= 1);
  remove_leftovers(run.checkpoints);
  const auto before = list_checkpoints(run);
  std::int64_t expected = options.expected_bytes;
  if (expected == 0 && !before.empty()) {
    expected = read_step_manifest(before.front().folder).total_bytes();
  }
  check_space(run.checkpoints, expected);

  const fs::path folder = run.checkpoints / step_name(step);
  const fs::path temporary = run.checkpoints / temporary_name(step, "");
  StepManifest manifest;
  manifest.step = step;
  manifest.serial = before.empty() ? 1 : before.front().serial + 1;
  try {
    make_folders(temporary);
    write_files(temporary, files);
    manifest.files = hash_files(temporary);
    write_file_atomically(temporary / StepManifest::kName, format_manifest(manifest));
    crash_point("wrote the manifest");
    put_in_place(run, temporary, step);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  if (options.best) {
    set_best(run, step);
    crash_point("made it the best");
  }
  write_file_atomically(run.checkpoints / "latest", step_name(step) + "\n");
  crash_point("wrote latest");
  Checkpoint saved = verified(folder);
  keep_last(run, options.keep_last);
  return saved;
}

void set_best(const RunPaths& run, std::int64_t step) {
  const Checkpoint best = verified(run.checkpoints / step_name(step));
  const fs::path from = inference_file_of(best.folder);
  const bool adapter = from.filename() == kAdapterFile;
  copy_file_atomically(from, run.checkpoints / (adapter ? kBestAdapterFile : kBestFile));
  crash_point("exported the best model");
  write_file_atomically(run.checkpoints / "best", step_name(step) + "\n");
}

std::vector<Checkpoint> list_checkpoints(const RunPaths& run) {
  std::vector<Checkpoint> found;
  for (const auto& entry : entries_of(run.checkpoints)) {
    if (!step_of(entry.filename().string())) {
      continue;
    }
    try {
      const StepManifest manifest = read_step_manifest(entry);
      found.push_back({entry, manifest.step, manifest.serial});
    } catch (const Error& e) {
      log_warning(std::string("skipped: ") + e.what());
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.serial, a.step) > std::pair(b.serial, b.step);
  });
  return found;
}

std::optional<std::string> pointed_step(const RunPaths& run, const std::string& pointer) {
  std::error_code error;
  const fs::path path = run.checkpoints / pointer;
  if (!fs::is_regular_file(path, error)) {
    return std::nullopt;
  }
  std::string name = read_file(path, 1000, ErrorCode::kCheckpoint);
  while (!name.empty() && (name.back() == '\n' || name.back() == '\r')) {
    name.pop_back();
  }
  return step_of(name) ? std::optional(name) : std::nullopt;
}

Checkpoint rollback(const RunPaths& run, Pointer which, std::int64_t step) {
  const auto all = list_checkpoints(run);
  const auto wanted =
      std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.step == step; });
  if (wanted == all.end()) {
    std::vector<std::string> steps;
    for (const auto& checkpoint : all) {
      steps.push_back(std::to_string(checkpoint.step));
    }
    throw Error(ErrorCode::kCheckpoint, shown(run.run),
                "has no checkpoint of step " + std::to_string(step),
                steps.empty() ? "it has none at all" : "it has: " + join(steps, ", "));
  }
  const std::string pointer = which == Pointer::kLatest ? "latest" : "best";
  const std::string from = pointed_step(run, pointer).value_or("");
  Checkpoint target = verified(wanted->folder);
  if (which == Pointer::kBest) {
    set_best(run, step);
  } else {
    write_file_atomically(run.checkpoints / pointer, step_name(step) + "\n");
  }
  const nlohmann::ordered_json line{
      {"time", utc_now()}, {"which", pointer}, {"from", from}, {"to", step_name(step)}};
  make_folders(run.logs);
  append_line(run.logs / "rollback.jsonl", line.dump());
  return target;
}

}  // namespace medaug
