// SPDX-License-Identifier: MIT
#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "medaug-files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

template <class Action>
std::string error_of(const Action& action, ErrorCode code) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code);
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST_F(Files, ReadsBackWhatWasWritten) {
  const std::string content("a\0b\n", 4);
  write_file_atomically(folder_ / "x", content);
  EXPECT_EQ(read_file(folder_ / "x", 100, ErrorCode::kData), content);
  stream_file_atomically(folder_ / "x", [](const WritePiece& write) {
    for (const auto* const piece : {"one ", "", "two"}) {
      write(piece);
    }
  });
  EXPECT_EQ(read_file(folder_ / "x", 7, ErrorCode::kData), "one two");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, KeepsTheOldFileWhenWritingFails) {
  write_file_atomically(folder_ / "x", "old");
  // A limit on the file size fails like a full disk, in a child so that the test program stays
  // free.
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(folder_ / "x", std::string(5000, 'n'));
    } catch (const Error& e) {
      ::_exit(e.code() == ErrorCode::kResource ? 7 : 8);
    }
    ::_exit(9);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_file(folder_ / "x", 100, ErrorCode::kData), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, NamesThePathThatCannotBeWritten) {
  const auto text =
      error_of([&] { write_file_atomically(folder_ / "no" / "x", ""); }, ErrorCode::kResource);
  EXPECT_THAT(text, HasSubstr("no/x: cannot write: No such file or directory"));
}

TEST_F(Files, RefusesWhatIsNotARegularFile) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  const auto read = [&](const fs::path& path) {
    return error_of([&] { read_file(path, 10, ErrorCode::kData); }, ErrorCode::kData);
  };
  EXPECT_THAT(read(folder_ / "fifo"), HasSubstr("is not a regular file"));
  EXPECT_THAT(read(folder_), HasSubstr("is a folder"));
  EXPECT_THAT(read("/dev/zero"), HasSubstr("is not a regular file"));
  EXPECT_THAT(read(folder_ / "none"), HasSubstr("none: cannot open: No such file"));
}

TEST_F(Files, RefusesMoreThanTheLimit) {
  write_file_atomically(folder_ / "x", "12345");
  EXPECT_EQ(read_file(folder_ / "x", 5, ErrorCode::kData), "12345");
  EXPECT_THAT(error_of([&] { read_file(folder_ / "x", 4, ErrorCode::kData); }, ErrorCode::kData),
              HasSubstr("is larger than 4 B"));
}

TEST_F(Files, ReadsAtAnyPlace) {
  write_file_atomically(folder_ / "x", "0123456789");
  const InputFile file(folder_ / "x", ErrorCode::kCheckpoint);
  EXPECT_EQ(file.size(), 10);
  std::string part(4, ' ');
  file.read_at(3, part);
  EXPECT_EQ(part, "3456");
  EXPECT_THAT(error_of([&] { file.read_at(8, part); }, ErrorCode::kCheckpoint),
              HasSubstr("x: ends at byte 10"));
}

TEST_F(Files, CopiesAFile) {
  const std::string content(2'500'000, 'c');
  write_file_atomically(folder_ / "x", content);
  copy_file_atomically(folder_ / "x", folder_ / "y");
  EXPECT_EQ(read_file(folder_ / "y", 3'000'000, ErrorCode::kData), content);
  EXPECT_THAT(
      error_of([&] { copy_file_atomically(folder_ / "z", folder_ / "y"); }, ErrorCode::kResource),
      HasSubstr("z: cannot open"));
  EXPECT_EQ(entries(), 2U);
}

TEST_F(Files, AppendsLines) {
  append_line(folder_ / "log", "one");
  append_line(folder_ / "log", "two");
  EXPECT_EQ(read_file(folder_ / "log", 100, ErrorCode::kData), "one\ntwo\n");
}

TEST_F(Files, MakesParents) {
  make_folders(folder_ / "a" / "b");
  EXPECT_TRUE(fs::is_directory(folder_ / "a" / "b"));
  write_file_atomically(folder_ / "x", "");
  EXPECT_THAT(error_of([&] { make_folders(folder_ / "x" / "y"); }, ErrorCode::kResource),
              HasSubstr("cannot make the folder"));
}

TEST_F(Files, KnowsTheFreeSpace) { EXPECT_GT(free_bytes(folder_), 0); }

TEST_F(Files, HashesAFileLikeItsBytes) {
  const std::string content(3'000'001, 'm');
  write_file_atomically(folder_ / "x", content);
  EXPECT_EQ(sha256_file(folder_ / "x"), sha256(content));
}

TEST_F(Files, SecondLockIsRefusedAndNamesTheHolder) {
  const FolderLock lock(folder_);
  const auto text = error_of([&] { FolderLock second(folder_); }, ErrorCode::kResource);
  EXPECT_THAT(text, HasSubstr("is in use by process " + std::to_string(::getpid())));
}

TEST_F(Files, LockIsFreeAfterwards) {
  {
    const FolderLock lock(folder_);
  }
  EXPECT_NO_THROW(FolderLock{folder_});
}

TEST_F(Files, LockEndsWithTheProcessThatHeldIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    const FolderLock lock(folder_);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_NO_THROW(FolderLock{folder_});
}

// FIPS 180-4 examples and the lengths around the end of a block.
TEST(Sha256, GivesTheKnownAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace medaug
