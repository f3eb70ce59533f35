// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace medaug {

struct ManifestFile {
  std::string name;
  std::int64_t bytes = 0;
  std::string sha256;
};

/// What stands in the MANIFEST.json of a checkpoint folder. A folder without one is not a
/// checkpoint.
struct StepManifest {
  static constexpr int kSchema = 1;
  static constexpr const char* kName = "MANIFEST.json";

  std::int64_t step = 0;
  std::int64_t serial =
      0;  ///< counts the saves of a run: the highest is the newest, also after a rollback
  std::vector<ManifestFile> files;

  std::int64_t total_bytes() const;
};

/// Sizes and hashes of the regular files in `folder`, by name.
std::vector<ManifestFile> hash_files(const std::filesystem::path& folder);

/// The manifest as JSON, with a checksum of itself.
std::string format_manifest(const StepManifest& manifest);

/// The manifest alone; its checksum is checked, the files are not.
/// @throws Error kCheckpoint naming the file; a newer schema asks for a newer program
StepManifest read_step_manifest(const std::filesystem::path& folder);

/// The manifest, after every file was found to have its size and hash.
/// @throws Error kCheckpoint naming the first file that is missing or damaged
StepManifest verify_checkpoint(const std::filesystem::path& folder);

}  // namespace medaug
