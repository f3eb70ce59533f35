// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace medaug {

/// Writes a file so that a crash leaves the old one or the new one, never a part: temporary name in
/// the same folder, fsync, rename, fsync of the folder. @throws Error kResource (disk full, not
/// writable); the old file stays.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
/// Takes the next piece of a file; the bytes are used before it returns.
using WritePiece = std::function<void(std::string_view piece)>;
/// The same for content that is made while it is written and is never in memory as a whole. When
/// `produce` throws, nothing is left behind and the old file stays. @throws what `produce` throws,
/// too
void stream_file_atomically(const std::filesystem::path& path,
                            const std::function<void(const WritePiece& write)>& produce);

/// Copies a regular file in the same way. @throws Error kResource
void copy_file_atomically(const std::filesystem::path& from, const std::filesystem::path& to);

/// Appends one line (a newline is added) in a single write and syncs it; makes the file when it is
/// absent.
/// @throws Error kResource
void append_line(const std::filesystem::path& path, std::string_view line);

/// A whole regular file, at most `max_bytes`. Never blocks on a FIFO or device. @throws Error
/// `code` naming the path.
std::string read_file(const std::filesystem::path& path, std::int64_t max_bytes, ErrorCode code);

/// A regular file open for reading at any place; each read copies, so a file that is cut meanwhile
/// is an error and not a signal.
class InputFile {
 public:
  /// Never blocks on a FIFO or device. @throws Error `code` naming the path
  InputFile(std::filesystem::path path, ErrorCode code);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::int64_t size() const { return size_; }  ///< when it was opened
  const std::filesystem::path& path() const { return path_; }
  /// Fills `out` with the bytes from `offset` on. @throws Error `code` when the file ends before
  void read_at(std::int64_t offset, std::span<char> out) const;

 private:
  std::filesystem::path path_;
  ErrorCode code_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// Makes a folder and its parents. @throws Error kResource naming the path and the reason
void make_folders(const std::filesystem::path& folder);

/// Waits until the content of a file is on the disk. @throws Error kResource
void sync_file(const std::filesystem::path& path);
void sync_folder(const std::filesystem::path& folder);
std::int64_t free_bytes(const std::filesystem::path& folder);

/// The path itself or its nearest ancestor that exists: the disk it would be made on.
std::filesystem::path existing_part(std::filesystem::path path);

/// Lower-case hexadecimal SHA-256.
std::string sha256(std::string_view bytes);
/// @throws Error kResource when the file cannot be read
std::string sha256_file(const std::filesystem::path& path);

/// An exclusive advisory lock held while the object lives (flock; freed by the kernel when the
/// process dies).
class FolderLock {
 public:
  /// @throws Error kResource naming the process that holds it
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  static constexpr const char* kName = ".lock";  ///< the file, which stays

 private:
  int descriptor_ = -1;
};

}  // namespace medaug
