// SPDX-License-Identifier: MIT
#include "checkpoint/feature_cache.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/files.h"
#include "checkpoint/file_hashes.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

const Ids kIds{2, 17, 4};

class FeatureCaches : public test::FolderTest {
 protected:
  FeatureCache cache(const FeatureKey& key = {"w", "t"}, const FeatureCacheOptions& o = {}) const {
    return FeatureCache(folder_ / "cache", key, o);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& item : fs::recursive_directory_iterator(folder_ / "cache")) {
      if (item.is_regular_file()) {
        found.push_back(item.path());
      }
    }
    return found;
  }
  static void overwrite(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
};

TEST_F(FeatureCaches, GivesBackWhatWasPutIntoAnotherObject) {
  const auto features = at::randn({3, 8});
  auto first = cache();
  EXPECT_FALSE(first.find(kIds).has_value());
  const auto kept = first.put(kIds, features);
  EXPECT_TRUE(kept.equal(features.to(at::kBFloat16)));
  EXPECT_TRUE(first.find(kIds)->equal(kept));
  auto second = cache();
  EXPECT_TRUE(second.find(kIds)->equal(kept));
  EXPECT_FALSE(second.find({2, 17}).has_value());
  EXPECT_EQ(second.usage().entries, 1);
  EXPECT_EQ(second.usage().bytes, static_cast<std::int64_t>(fs::file_size(files().at(0))));
}

TEST_F(FeatureCaches, EveryPartOfTheKeyMakesOtherEntries) {
  cache().put(kIds, at::ones({3, 8}));
  EXPECT_TRUE(cache().find(kIds).has_value());
  for (const FeatureKey& other :
       {FeatureKey{"w2", "t"}, FeatureKey{"w", "t2"}, FeatureKey{"w", "t", 128},
        FeatureKey{"w", "t", 256, at::kFloat}}) {
    EXPECT_FALSE(cache(other).find(kIds).has_value());
  }
}

TEST_F(FeatureCaches, DamagedEntriesAreNeverTrusted) {
  cache().put(kIds, at::ones({3, 8}));
  const auto path = files().at(0);
  const auto whole = read(path);
  auto flipped = whole;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);  // one bit of the features
  for (const auto& bytes : {std::string(), whole.substr(0, 40), whole.substr(0, whole.size() - 1),
                            whole + "x", flipped, std::string(whole.size(), '\0')}) {
    overwrite(path, bytes);
    testing::internal::CaptureStderr();
    EXPECT_FALSE(cache().find(kIds).has_value());
    const auto said = testing::internal::GetCapturedStderr();
    EXPECT_THAT(said, HasSubstr("damaged cache entry, computed again"));
  }
  auto repaired = cache();
  repaired.put(kIds, at::ones({3, 8}));
  EXPECT_TRUE(cache().find(kIds).has_value());
  EXPECT_EQ(read(path), whole);
}

TEST_F(FeatureCaches, AnEntryUnderAnotherNameIsNotTaken) {
  auto one = cache();
  one.put(kIds, at::ones({3, 8}));
  const auto first = files().at(0);
  one.put({2, 18, 4}, at::full({3, 8}, 2.0));
  for (const auto& path : files()) {
    if (path != first) {
      fs::copy_file(first, path, fs::copy_options::overwrite_existing);
    }
  }
  EXPECT_FALSE(cache().find({2, 18, 4}).has_value());
  EXPECT_TRUE(cache().find(kIds).has_value());
}

TEST_F(FeatureCaches, TwoProcessesMayWriteTheSameEntries) {
  constexpr std::int64_t kEntries = 40;
  const auto fill = [&] {
    auto mine = cache();
    for (std::int64_t i = 0; i < kEntries; ++i) {
      mine.put({2, i}, at::full({2, 64}, static_cast<double>(i)));
    }
  };
  const auto child = ::fork();
  if (child == 0) {
    fill();
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  std::thread beside(fill);
  fill();
  beside.join();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  auto reader = cache();
  for (std::int64_t i = 0; i < kEntries; ++i) {
    const auto found = reader.find({2, i});
    ASSERT_TRUE(found.has_value()) << i;
    EXPECT_EQ((*found)[1][63].item<double>(), static_cast<double>(i));
  }
  EXPECT_EQ(reader.usage().entries, kEntries);
  EXPECT_EQ(std::ssize(files()), kEntries) << "temporary files are left";
}

TEST_F(FeatureCaches, MemoryIsBoundedByWhatWasUsedLast) {
  FeatureCacheOptions options;
  options.memory_bytes = 2 * 2 * 64 * 2;  // two entries of (2, 64) bfloat16
  auto small = cache({"w", "t"}, options);
  for (std::int64_t i = 0; i < 3; ++i) {
    small.put({2, i}, at::full({2, 64}, static_cast<double>(i)));
    small.find({2, 0});
  }
  fs::remove_all(folder_ / "cache");
  EXPECT_TRUE(small.find({2, 0}).has_value());
  EXPECT_FALSE(small.find({2, 1}).has_value());
  EXPECT_TRUE(small.find({2, 2}).has_value());
}

TEST_F(FeatureCaches, DiskIsBounded) {
  cache().put({2, 0}, at::ones({2, 64}));
  FeatureCacheOptions options;
  options.disk_bytes = 5 * cache().usage().bytes;
  auto bounded = cache({"w", "t"}, options);
  for (std::int64_t i = 1; i < 20; ++i) {
    bounded.put({2, i}, at::ones({2, 64}));
    EXPECT_LE(bounded.usage().bytes, options.disk_bytes);
  }
  EXPECT_GE(bounded.usage().entries, 3);
  EXPECT_TRUE(cache().find({2, 19}).has_value());
  EXPECT_FALSE(cache().find({2, 0}).has_value());
}

TEST_F(FeatureCaches, WithoutADiskItKeepsToMemoryAndSaysSoOnce) {
  write("cache", "a file where the folder should be");
  auto one = cache();
  testing::internal::CaptureStderr();
  one.put(kIds, at::ones({3, 8}));
  one.put({2}, at::ones({1, 8}));
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("kept in memory only"));
  EXPECT_EQ(said.find("kept in memory only"), said.rfind("kept in memory only"));
  EXPECT_TRUE(one.find(kIds).has_value());
  EXPECT_TRUE(FeatureCache("", {"w", "t"}).put(kIds, at::ones({3, 8})).defined());
}

TEST_F(FeatureCaches, RefusesFeaturesThatCannotBe) {
  auto one = cache();
  EXPECT_THAT(error_of([&] { one.put(kIds, at::full({3, 8}, std::nan(""))); }, ErrorCode::kNumeric),
              HasSubstr("not finite"));
  EXPECT_THAT(error_of([&] { one.put(kIds, at::ones({2, 8})); }, ErrorCode::kInvalidArgument),
              HasSubstr("3 tokens"));
  EXPECT_FALSE(one.find(kIds).has_value());
}

class FileHash : public test::FolderTest {};

TEST_F(FileHash, IsRememberedUntilTheFileChanges) {
  const auto path = write("weights", "abc");
  const FileHashes hashes(folder_ / "notes");
  EXPECT_EQ(hashes.sha256(path), sha256("abc"));
  const auto note = fs::directory_iterator(folder_ / "notes" / "hashes")->path();
  auto text = read(note);
  text.replace(text.find(sha256("abc")), 64, std::string(64, '0'));
  write_file_atomically(note, text);
  EXPECT_EQ(hashes.sha256(path), std::string(64, '0')) << "the note is not used";
  const auto time = fs::last_write_time(path);
  write("weights", "abd");
  fs::last_write_time(path, time);  // same size, same time: the change time tells
  EXPECT_EQ(hashes.sha256(path), sha256("abd"));
  write_file_atomically(note, "{");
  EXPECT_EQ(hashes.sha256(path), sha256("abd"));
}

TEST_F(FileHash, NeedsNoFolder) {
  const auto path = write("weights", "abc");
  EXPECT_EQ(FileHashes("").sha256(path), sha256("abc"));
  EXPECT_THAT(error_of([&] { FileHashes("").sha256(folder_ / "none"); }, ErrorCode::kResource),
              HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace medaug
