// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace medaug {

/// SHA-256 of large files, computed once: a note in a folder keeps it with the file's path, size,
/// number and times, and counts only while all of them are the same. Safe for several processes.
class FileHashes {
 public:
  /// @param folder  of the notes; made when the first is written; empty = nothing is remembered
  explicit FileHashes(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// @throws Error kResource when the file cannot be read, or changes meanwhile
  std::string sha256(const std::filesystem::path& file) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace medaug
