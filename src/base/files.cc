// SPDX-License-Identifier: MIT
#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <system_error>
#include <utility>

#include "base/sha256.h"
#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

[[noreturn]] void fail(ErrorCode code, const fs::path& path, std::string_view action) {
  const int error = errno;
  std::string_view hint;
  if (error == ENOSPC || error == EDQUOT) {
    hint = "free some space on this disk, or choose another output folder";
  } else if (error == EACCES || error == EPERM || error == EROFS) {
    hint = "check the permissions of the folder";
  }
  throw Error(code, shown(path),
              std::string(action) + ": " + std::generic_category().message(error), hint);
}

void write_all(int descriptor, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      fail(ErrorCode::kResource, path, "cannot write");
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// A name that no other writer in any process uses at the same time.
fs::path temporary_beside(const fs::path& path) {
  static std::atomic<std::uint64_t> serial{0};
  std::string name(".");  // GCC 12 warns wrongly about "literal" + std::string
  name.append(path.filename().string()).append(".tmp.").append(std::to_string(::getpid()));
  return folder_of(path) / name.append(".").append(std::to_string(serial++));
}

/// Removes the file when the work on it did not come to its end.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!done_) {
      ::unlink(path_.c_str());
    }
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }
  void keep() { done_ = true; }

 private:
  fs::path path_;
  bool done_ = false;
};

/// Opens for reading without waiting for the other end of a FIFO; only regular files pass.
int open_regular(const fs::path& path, ErrorCode code) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) {
    fail(code, path, "cannot open");
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    fail(code, path, "cannot open");
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(code, shown(path), "is a folder, a file is needed");
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(code, shown(path), "is not a regular file");
  }
  return file.release();
}

/// Calls `use(piece)` for the content of the file, piece by piece.
template <class Use>
void for_each_piece(int descriptor, const fs::path& path, ErrorCode code, const Use& use) {
  std::string buffer(std::size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail(code, path, "cannot read");
    }
    if (count == 0) {
      return;
    }
    use(std::string_view(buffer).substr(0, static_cast<std::size_t>(count)));
  }
}

/// `write(descriptor)` fills a file beside `path`, which then takes its place.
template <class Write>
void replace_file(const fs::path& path, const Write& write) {
  // In a container every process may have the same number: what a killed one left is removed.
  fs::path beside = temporary_beside(path);
  ::unlink(beside.c_str());
  Temporary temporary(std::move(beside));
  {
    Descriptor file(
        ::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.get() < 0) {
      fail(ErrorCode::kResource, path, "cannot write");
    }
    write(file.get());
    if (::fsync(file.get()) != 0 || ::close(file.release()) != 0) {
      fail(ErrorCode::kResource, path, "cannot write");
    }
  }
  if (::rename(temporary.path().c_str(), path.c_str()) != 0) {
    fail(ErrorCode::kResource, path, "cannot replace");
  }
  temporary.keep();
  sync_folder(folder_of(path));
}

}  // namespace

void write_file_atomically(const fs::path& path, std::string_view content) {
  replace_file(path, [&](int descriptor) { write_all(descriptor, content, path); });
}

void stream_file_atomically(const fs::path& path,
                            const std::function<void(const WritePiece& write)>& produce) {
  replace_file(path, [&](int descriptor) {
    produce([&](std::string_view piece) { write_all(descriptor, piece, path); });
  });
}

void copy_file_atomically(const fs::path& from, const fs::path& to) {
  const Descriptor source(open_regular(from, ErrorCode::kResource));
  replace_file(to, [&](int descriptor) {
    for_each_piece(source.get(), from, ErrorCode::kResource,
                   [&](std::string_view piece) { write_all(descriptor, piece, to); });
  });
}

void append_line(const fs::path& path, std::string_view line) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    fail(ErrorCode::kResource, path, "cannot write");
  }
  write_all(file.get(), std::string(line) + "\n", path);
  if (::fsync(file.get()) != 0) {
    fail(ErrorCode::kResource, path, "cannot write");
  }
}

std::string read_file(const fs::path& path, std::int64_t max_bytes, ErrorCode code) {
  const Descriptor file(open_regular(path, code));
  std::string content;
  for_each_piece(file.get(), path, code, [&](std::string_view piece) {
    content.append(piece);
    if (static_cast<std::int64_t>(content.size()) > max_bytes) {
      throw Error(code, shown(path),
                  "is larger than " + human_bytes(static_cast<double>(max_bytes)));
    }
  });
  return content;
}

InputFile::InputFile(fs::path path, ErrorCode code) : path_(std::move(path)), code_(code) {
  Descriptor file(open_regular(path_, code_));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    fail(code_, path_, "cannot open");
  }
  size_ = status.st_size;
  descriptor_ = file.release();
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read_at(std::int64_t offset, std::span<char> out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_, out.data(), out.size(), offset);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail(code_, path_, "cannot read");
    }
    if (count == 0) {
      throw Error(code_, shown(path_),
                  "ends at byte " + std::to_string(offset) + ", more was expected");
    }
    out = out.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
}

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    errno = error.value();
    fail(ErrorCode::kResource, folder, "cannot make the folder");
  }
}

void sync_file(const fs::path& path) {
  const Descriptor file(open_regular(path, ErrorCode::kResource));
  if (::fsync(file.get()) != 0) {
    fail(ErrorCode::kResource, path, "cannot write");
  }
}

void sync_folder(const fs::path& folder) {
  const Descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() < 0) {
    fail(ErrorCode::kResource, folder, "cannot open the folder");
  }
  // Some file systems (FUSE, SMB) cannot sync a folder and say EINVAL: nothing better can be done
  // there.
  if (::fsync(handle.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail(ErrorCode::kResource, folder, "cannot sync the folder");
  }
}

fs::path existing_part(fs::path path) {
  std::error_code ignored;
  while (!path.empty() && !fs::exists(path, ignored) && path != path.parent_path()) {
    path = path.parent_path();
  }
  return path.empty() ? fs::path(".") : path;
}

std::int64_t free_bytes(const fs::path& folder) {
  std::error_code error;
  const auto space = fs::space(folder, error);
  if (error) {
    errno = error.value();
    fail(ErrorCode::kResource, folder, "cannot ask for the free space");
  }
  return static_cast<std::int64_t>(space.available);
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_file(const fs::path& path) {
  const Descriptor file(open_regular(path, ErrorCode::kResource));
  Sha256 hash;
  for_each_piece(file.get(), path, ErrorCode::kResource,
                 [&](std::string_view piece) { hash.update(piece); });
  return hash.finish();
}

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / FolderLock::kName;
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    fail(ErrorCode::kResource, path, "cannot open the lock file");
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      fail(ErrorCode::kResource, path, "cannot lock");
    }
    std::array<char, 16> owner{};
    const ssize_t count = ::pread(file.get(), owner.data(), owner.size() - 1, 0);
    const std::string pid = count > 0 ? printable(owner.data(), 15) : "?";
    throw Error(ErrorCode::kResource, shown(folder), "is in use by process " + pid,
                "wait for it to end, stop it (kill " + pid + "), or choose another output folder");
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) == 0) {
    write_all(file.get(), pid, path);
  }
  descriptor_ = file.release();
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace medaug
