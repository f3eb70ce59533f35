// SPDX-License-Identifier: MIT
#include <limits>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// RUN for RUN and RUN/checkpoints.
RunPaths run_of(const fs::path& folder) {
  return RunPaths(folder.filename() == "checkpoints" ? folder / ".." : folder);
}

Checkpoint checked(const fs::path& folder) {
  const StepManifest manifest = verify_checkpoint(folder);
  return {folder, manifest.step, manifest.serial};
}

/// The checkpoint of a pointer file (`latest`, `best`), or else the newest one before it. Later
/// steps that were saved earlier belong to a branch that a rollback left.
Checkpoint follow(const RunPaths& run, const std::string& pointer) {
  const auto all = list_checkpoints(run);
  const auto named = pointed_step(run, pointer);
  bool reached = !named;
  std::int64_t last_step = std::numeric_limits<std::int64_t>::max();
  for (const auto& checkpoint : all) {
    if (!reached && checkpoint.folder.filename() == *named) {
      reached = true;
      last_step = checkpoint.step;
    }
    if (!reached || checkpoint.step > last_step) {
      continue;
    }
    try {
      return checked(checkpoint.folder);
    } catch (const Error& e) {
      log_warning(std::string(e.what()) + "\n  the checkpoint before it is used");
    }
  }
  // What the pointer names is gone: anything whole is better than nothing.
  for (const auto& checkpoint : all) {
    try {
      Checkpoint found = checked(checkpoint.folder);
      log_warning(shown(run.run) + ": '" + pointer + "' names no whole checkpoint, " +
                  found.folder.filename().string() + " is used");
      return found;
    } catch (const Error&) {
      continue;
    }
  }
  throw Error(ErrorCode::kCheckpoint, shown(run.run),
              all.empty() ? "has no checkpoint" : "has no checkpoint that is whole",
              "train it, or give the folder of another run");
}

}  // namespace

Checkpoint find_checkpoint(const fs::path& given) {
  const fs::path path = without_slash(given);
  const std::string name = path.filename().string();
  if (is_file(path) && (name == "latest" || name == "best")) {
    return follow(run_of(path.parent_path()), name);
  }
  if (is_file(path)) {
    throw Error(ErrorCode::kCheckpoint, shown(path),
                "holds no training state, only what inference needs",
                "to go on training give the run folder or a step folder");
  }
  if (!is_folder(path)) {
    throw Error(ErrorCode::kCheckpoint, shown(path), "does not exist",
                "give a run folder, a step folder or a .safetensors file");
  }
  if (is_step_name(name) || is_file(path / StepManifest::kName)) {
    return checked(path);
  }
  return follow(run_of(path), "latest");
}

fs::path inference_file_of(const fs::path& step) {
  return step / (is_file(step / kAdapterFile) ? kAdapterFile : kInferenceFile);
}

fs::path best_file_of(const RunPaths& run) {
  const bool adapter = is_file(run.checkpoints / kBestAdapterFile);
  return run.checkpoints / (adapter ? kBestAdapterFile : kBestFile);
}

fs::path find_inference_file(const fs::path& given) {
  const fs::path path = without_slash(given);
  const std::string name = path.filename().string();
  if (is_file(path) && name != "latest" && name != "best") {
    return path;
  }
  if (is_folder(path) && !is_step_name(name)) {
    const fs::path best = best_file_of(run_of(path));
    if (is_file(best)) {
      return best;
    }
  }
  return inference_file_of(find_checkpoint(path).folder);
}

}  // namespace medaug
