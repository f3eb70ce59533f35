// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/sample.h"

namespace medaug {

struct ManifestOptions {
  std::filesystem::path root =
      {};                      ///< relative paths start here; empty = decided by the first records
  bool allow_outside = false;  ///< paths may leave the root (absolute, `..`, links)
  bool images_needed =
      true;  ///< else image_path is not looked at: only captions and masks are read
  std::int64_t num_labels = 0;  ///< labels are 0 .. num_labels - 1; 0 = any that is not negative
};

/// Reads a manifest line by line: one strict JSON object per line (JSONL), UTF-8. Blank lines, a
/// byte order mark, CRLF and a missing last newline are accepted. Memory does not grow with the
/// file. Not thread-safe.
class ManifestReader {
 public:
  /// Chooses the root: `options.root`, else the manifest's folder, else (when the first records
  /// exist only there, as in "data/images/001.png") the working directory.
  /// @throws Error kData when the file is missing or not a regular file
  explicit ManifestReader(const std::filesystem::path& path, const ManifestOptions& options = {});
  ~ManifestReader();

  /// The next record, or none at the end. After an error the next call goes on with the line behind
  /// it.
  /// @throws Error kData with file:line:column, what was found and a hint
  std::optional<Record> next();

  const std::filesystem::path& root() const;
  /// Lines read so far, blank ones included.
  std::int64_t line() const;
  /// Unknown fields that look like a misspelled known one, each once.
  const std::vector<std::string>& warnings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The whole manifest in memory. Says in the log which root was chosen.
/// @throws Error kData for the first bad line, or when there is no record at all
Manifest read_manifest(const std::filesystem::path& path, const ManifestOptions& options = {});

/// The manifest that a config's data path means: the file itself; in a folder `split`.jsonl,
/// manifest.jsonl or the only
/// *.jsonl; or "data/train.jsonl" for "data/train".
/// @throws Error kData that lists what was looked for
std::filesystem::path find_manifest(const std::filesystem::path& data_path,
                                    std::string_view split = "train");

}  // namespace medaug
