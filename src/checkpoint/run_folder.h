// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/manifest.h"

// A run folder:
//
//   RUN/config.yaml                        the effective configuration
//   RUN/logs/, RUN/samples/
//   RUN/checkpoints/step-0001000/          files and, written last, MANIFEST.json with their sizes
//   and SHA-256 RUN/checkpoints/latest, best           the name of a step folder
//   RUN/checkpoints/best_model.safetensors the inference file of the best step, for carrying away
//
// A run that trains adapters has adapter.safetensors and best_adapter.safetensors in their place.
//
// Whoever saves, exports or rolls back holds a FolderLock on RUN.

namespace medaug {

/// The file of a step folder that holds all that inference needs.
inline constexpr const char* kInferenceFile = "model.safetensors";
inline constexpr const char* kBestFile = "best_model.safetensors";
inline constexpr const char* kAdapterFile = "adapter.safetensors";
inline constexpr const char* kBestAdapterFile = "best_adapter.safetensors";

struct RunPaths {
  explicit RunPaths(std::filesystem::path run);
  std::filesystem::path run, checkpoints, logs, samples, config;
};

/// Makes the folders of a run. @throws Error kResource
RunPaths make_run_folder(const std::filesystem::path& run);

/// "step-0001000"
std::string step_name(std::int64_t step);

/// Whether a name is one that `step_name` makes.
bool is_step_name(std::string_view name);

struct Checkpoint {
  std::filesystem::path folder;
  std::int64_t step = 0;
  std::int64_t serial = 0;
};

/// One file of a checkpoint: `write` makes it at the path it is given.
struct CheckpointFile {
  std::string name;
  std::function<void(const std::filesystem::path&)> write;
};

struct SaveOptions {
  int keep_last = 3;  ///< older step folders are deleted, but never `best` and `latest`
  std::int64_t expected_bytes = 0;  ///< of the new checkpoint; 0: as large as the one before
  bool best = false;  ///< makes it the best one too, before `latest` names it: a run that is killed
                      ///< in between goes on from the one before and comes here again
};

/// Saves a checkpoint so that a crash at any moment leaves a readable newest one: files, sync,
/// manifest, sync, rename, sync, `latest`; then it is read back and verified, and only then older
/// ones go.
/// @throws Error kResource when the disk is full (checked before: twice the size must be free) or a
/// write fails;
///         everything saved before is untouched
Checkpoint save_step(const RunPaths& run, std::int64_t step,
                     const std::vector<CheckpointFile>& files, const SaveOptions& options = {});

/// Makes a saved step the best one: exports its inference file as `best_model.safetensors`.
/// @throws Error kCheckpoint when the step is missing or damaged; the best one of before stays
void set_best(const RunPaths& run, std::int64_t step);

/// All step folders that have a readable manifest, newest first.
std::vector<Checkpoint> list_checkpoints(const RunPaths& run);

/// The step folder named by `latest` or `best`, whether it is whole or not.
std::optional<std::string> pointed_step(const RunPaths& run, const std::string& pointer);

/// The checkpoint to resume from.
/// @param path  RUN, RUN/checkpoints, RUN/checkpoints/latest, .../best or .../step-XXXXXXX
/// A run gives what `latest` names, or, with a warning, the newest one before it that verifies; a
/// step folder gives itself or an error.
/// @throws Error kCheckpoint when there is none
Checkpoint find_checkpoint(const std::filesystem::path& path);

/// The inference file of a step folder: kAdapterFile when it has one, else kInferenceFile.
std::filesystem::path inference_file_of(const std::filesystem::path& step);
/// The exported one of a run, likewise; it may not exist.
std::filesystem::path best_file_of(const RunPaths& run);

/// The safetensors file to generate from: `path` itself when it is a file, `best_model.safetensors`
/// of a run, or the inference file of a step folder. A run without a best model gives that of its
/// latest checkpoint.
/// @throws Error kCheckpoint when there is none
std::filesystem::path find_inference_file(const std::filesystem::path& path);

enum class Pointer { kLatest, kBest };

/// Points `latest` or `best` to an earlier checkpoint after verifying it, writes a line to
/// logs/rollback.jsonl, and deletes nothing. @throws Error kCheckpoint listing the steps there are
Checkpoint rollback(const RunPaths& run, Pointer which, std::int64_t step);

}  // namespace medaug
