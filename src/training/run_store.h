// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/files.h"
#include "checkpoint/run_folder.h"
#include "checkpoint/safetensors.h"
#include "data/loader.h"
#include "training/model_file.h"
#include "training/run_config.h"
#include "training/run_state.h"

namespace medaug {

/// What must be the same for a run to go on: model, text encoder, preprocessing, flow, seed, batch,
/// adapters, what it started from and the data itself.
/// @param base_sha256  of the model that it started from, or empty
Json run_identity(const RunConfig& config, const Dataset& data,
                  const std::string& base_sha256 = {});

struct StoredStep {
  RunState state;
  SafetensorsFile tensors;
  std::string tokenizer;
};

/// The run folder as the trainer sees it: locked while the object lives.
class RunStore {
 public:
  /// @throws Error kResource when another trainer holds the folder
  RunStore(const std::filesystem::path& folder, std::int64_t keep_last);

  /// Makes nothing. @throws Error kConfig when a new run finds checkpoints in the folder,
  /// kCheckpoint when there is none to go on from
  static void require(const std::filesystem::path& folder, bool resume);
  /// The newest checkpoint that verifies. @throws Error kCheckpoint when there is none, or when it
  /// belongs to another model or other data (naming what differs)
  StoredStep newest(const Json& identity) const;
  bool has_checkpoint() const;
  /// Writes config.yaml; later saves carry the identity.
  void begin(const Json& identity, const std::string& config_yaml);
  /// A state whose best step is its own becomes the best one.
  /// @return false (with a warning) when the disk is full; @throws Error kResource after five
  /// failures in a row
  /// @param inference  the file to generate from
  bool save(const RunState& state, const NamedTensors& tensors, const std::string& tokenizer,
            const CheckpointFile& inference);

  std::filesystem::path best_model() const { return best_file_of(paths_); }
  std::filesystem::path step_folder(std::int64_t step) const {
    return paths_.checkpoints / step_name(step);
  }
  const RunPaths& paths() const { return paths_; }

 private:
  RunPaths paths_;
  FolderLock lock_;
  int keep_last_;
  int failures_ = 0;
  Json identity_;
};

}  // namespace medaug
