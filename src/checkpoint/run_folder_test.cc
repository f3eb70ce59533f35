// SPDX-License-Identifier: MIT
#include "checkpoint/run_folder.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/files.h"
#include "base/log.h"
#include "checkpoint/crash_point.h"
#include "checkpoint/test_folder.h"

namespace medaug {

// The save calls this between its stages (crash_point.h): at the chosen one the process dies or the
// disk is full.
namespace {
enum class Fault { kNone, kKill, kThrow };
Fault fault = Fault::kNone;
int fault_in = 0;
}  // namespace

void internal::crash_point(const char* stage) {
  if (fault == Fault::kNone || fault_in-- > 0) {
    return;
  }
  if (fault == Fault::kKill) {
    ::kill(::getpid(), SIGKILL);
  }
  throw Error(ErrorCode::kResource, stage, "no space left on device");
}

namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::HasSubstr;

class RunFolder : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    set_log_level(LogLevel::kQuiet);
    make_run_folder(folder_ / "run");
  }
  void TearDown() override {
    fault = Fault::kNone;
    set_log_level(LogLevel::kInfo);
    FolderTest::TearDown();
  }

  static std::vector<CheckpointFile> files_of(std::int64_t step) {
    const std::string text = "weights of " + std::to_string(step);
    const auto writer = [](std::string content) {
      return [content](const fs::path& path) { write_file_atomically(path, content); };
    };
    return {{kInferenceFile, writer(text)}, {"training.safetensors", writer("more " + text)}};
  }

  Checkpoint save(std::int64_t step, int keep_last = 3) const {
    return save_step(run(), step, files_of(step), {.keep_last = keep_last});
  }

  RunPaths run() const { return RunPaths(folder_ / "run"); }
  fs::path step(std::int64_t number) const { return run().checkpoints / step_name(number); }
  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> numbers;
    for (const auto& checkpoint : list_checkpoints(run())) {
      numbers.push_back(checkpoint.step);
    }
    return numbers;
  }
  std::string newest() const { return read(find_checkpoint(run().run).folder / kInferenceFile); }
};

using Steps = std::vector<std::int64_t>;

TEST_F(RunFolder, SavesAndFindsTheLatest) {
  save(100);
  const auto saved = save(200);
  EXPECT_EQ(saved.folder.filename(), "step-0000200");
  EXPECT_EQ(find_checkpoint(run().run).step, 200);
  EXPECT_EQ(find_checkpoint(run().run / "").step, 200);
  EXPECT_EQ(find_checkpoint(run().checkpoints).step, 200);
  EXPECT_EQ(find_checkpoint(run().checkpoints / "latest").step, 200);
  EXPECT_EQ(find_checkpoint(step(100)).step, 100);
  EXPECT_EQ(read(run().checkpoints / "latest"), "step-0000200\n");
}

TEST_F(RunFolder, KeepsTheLastOnesAndTheBest) {
  save(1);
  set_best(run(), 1);
  for (const int number : {2, 3, 4, 5}) {
    save(number, 2);
  }
  EXPECT_EQ(steps(), (Steps{5, 4, 1}));
}

TEST_F(RunFolder, ExportsTheBestModel) {
  save(1);
  save(2);
  EXPECT_EQ(find_inference_file(run().run), step(2) / kInferenceFile);
  set_best(run(), 1);
  const auto best = find_inference_file(run().run);
  EXPECT_EQ(best.filename(), "best_model.safetensors");
  EXPECT_EQ(read(best), "weights of 1");
  EXPECT_EQ(find_inference_file(best), best);
  EXPECT_EQ(find_inference_file(step(2)), step(2) / kInferenceFile);
  EXPECT_EQ(find_checkpoint(run().checkpoints / "best").step, 1);
}

TEST_F(RunFolder, FindsEveryKindOfDamage) {
  save(1);
  const auto damaged = [&](const std::string& name, const std::string& content) {
    const std::string whole = read(step(1) / name);
    std::ofstream(step(1) / name) << content;
    const auto text = error_of([&] { verify_checkpoint(step(1)); });
    std::ofstream(step(1) / name) << whole;
    return text;
  };
  EXPECT_THAT(damaged(kInferenceFile, "weights of"), HasSubstr("it has 10 bytes, not 12"));
  EXPECT_THAT(damaged(kInferenceFile, "weights of 3"),
              HasSubstr("model.safetensors: is damaged: its SHA-256 differs"));
  EXPECT_THAT(damaged(StepManifest::kName, ""), HasSubstr("MANIFEST.json"));
  const std::string manifest = read(step(1) / StepManifest::kName);
  for (std::size_t i = 0; i < manifest.size(); i += 5) {
    std::string flipped = manifest;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    if (flipped[i] == ' ' || flipped[i] == '\n' || manifest[i] == ' ' || manifest[i] == '\n') {
      continue;  // white space has no meaning
    }
    ASSERT_NE(damaged(StepManifest::kName, flipped), "") << i;
  }
  EXPECT_NO_THROW(verify_checkpoint(step(1)));
  fs::remove(step(1) / "training.safetensors");
  EXPECT_THAT(error_of([&] { verify_checkpoint(step(1)); }), HasSubstr("is missing"));
}

TEST_F(RunFolder, AsksForANewerProgramWhenTheSchemaIsNewer) {
  save(1);
  write("run/checkpoints/step-0000001/MANIFEST.json", R"({"schema": 2})");
  EXPECT_THAT(error_of([&] { verify_checkpoint(step(1)); }), HasSubstr("by a newer medaug"));
}

TEST_F(RunFolder, RefusesManifestsThatLeaveTheirFolder) {
  save(1);
  StepManifest manifest = read_step_manifest(step(1));
  manifest.files[0].name = "../latest";
  write("run/checkpoints/step-0000001/MANIFEST.json", format_manifest(manifest));
  EXPECT_THAT(error_of([&] { verify_checkpoint(step(1)); }), HasSubstr("outside its folder"));
}

TEST_F(RunFolder, FallsBackToTheOneBefore) {
  save(1);
  save(2);
  save(3);
  write("run/checkpoints/step-0000003/model.safetensors", "weights of 4");
  EXPECT_EQ(find_checkpoint(run().run).step, 2);
  fs::remove_all(step(3));
  EXPECT_EQ(find_checkpoint(run().run).step, 2);
  fs::remove(run().checkpoints / "latest");
  EXPECT_EQ(find_checkpoint(run().run).step, 2);
  write("run/checkpoints/step-0000002/model.safetensors", "");
  write("run/checkpoints/step-0000001/model.safetensors", "");
  EXPECT_THAT(error_of([&] { find_checkpoint(run().run); }), HasSubstr("checkpoint that is whole"));
}

TEST_F(RunFolder, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(error_of([&] { find_checkpoint(run().run); }), HasSubstr("has no checkpoint"));
  EXPECT_THAT(error_of([&] { find_checkpoint(folder_ / "no"); }), HasSubstr("does not exist"));
  const auto file = write("x.safetensors", "");
  EXPECT_THAT(error_of([&] { find_checkpoint(file); }), HasSubstr("holds no training state"));
  save(1);
  fs::rename(step(1), step(7));
  EXPECT_THAT(error_of([&] { set_best(run(), 7); }), HasSubstr("the folder was renamed"));
}

/// Runs one save in a child that dies at its n-th crash point. False when the save had no such
/// point.
template <class Action>
bool killed_at(int point, const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    fault = Fault::kKill;
    fault_in = point;
    action();
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status);
}

TEST_F(RunFolder, KillBetweenAnyTwoStagesLeavesAReadableNewest) {
  save(1);
  set_best(run(), 1);
  save(2);
  save(3);
  int point = 0;
  while (killed_at(point, [&] { save(4, 2); })) {
    const auto content = newest();
    ASSERT_TRUE(content == "weights of 3" || content == "weights of 4") << point << content;
    ASSERT_EQ(read(run().checkpoints / kBestFile), "weights of 1");
    ++point;
  }
  EXPECT_GE(point, 8);
  EXPECT_EQ(newest(), "weights of 4");
  for (const auto& entry : fs::directory_iterator(run().checkpoints)) {
    EXPECT_EQ(entry.path().string().find(".tmp."), std::string::npos) << entry.path();
  }
}

TEST_F(RunFolder, KillWhileTheSameStepIsReplacedLeavesAReadableNewest) {
  save(1);
  save(2);
  for (int point = 0; killed_at(point, [&] { save(2); }); ++point) {
    const auto content = newest();
    ASSERT_TRUE(content == "weights of 1" || content == "weights of 2") << point << content;
    save(2);
  }
}

TEST_F(RunFolder, KillWhileTheBestIsExportedKeepsOneOfBoth) {
  save(1);
  save(2);
  set_best(run(), 1);
  for (int point = 0; killed_at(point, [&] { set_best(run(), 2); }); ++point) {
    const auto content = read(run().checkpoints / kBestFile);
    ASSERT_TRUE(content == "weights of 1" || content == "weights of 2");
  }
  EXPECT_EQ(read(run().checkpoints / kBestFile), "weights of 2");
}

TEST_F(RunFolder, FailureBetweenAnyTwoStagesKeepsTheOldOne) {
  save(1);
  for (int point = 0;; ++point) {
    fault = Fault::kThrow;
    fault_in = point;
    try {
      save(2, 1);
      break;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::kResource);
    }
    fault = Fault::kNone;
    const auto content = newest();
    ASSERT_TRUE(content == "weights of 1" || content == "weights of 2") << point;
  }
  EXPECT_EQ(steps(), (Steps{2}));
}

TEST_F(RunFolder, FullDiskKeepsTheOldOne) {
  save(1);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{15, 15};  // the first file fits, the second does not
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      save(2);
    } catch (const Error& e) {
      ::_exit(e.code() == ErrorCode::kResource ? 7 : 8);
    }
    ::_exit(9);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(newest(), "weights of 1");
  EXPECT_FALSE(fs::exists(step(2)));
}

TEST_F(RunFolder, RefusesToStartWithoutTwiceTheSpace) {
  const std::int64_t huge = std::int64_t{1} << 60;
  const auto text =
      error_of([&] { save_step(run(), 1, files_of(1), {.keep_last = 3, .expected_bytes = huge}); },
               ErrorCode::kResource);
  EXPECT_THAT(text, HasSubstr("not enough space for a checkpoint"));
  EXPECT_TRUE(steps().empty());
}

TEST_F(RunFolder, RollsBackWithoutDeleting) {
  save(1);
  save(2);
  save(3);
  set_best(run(), 3);
  rollback(run(), Pointer::kLatest, 1);
  EXPECT_EQ(newest(), "weights of 1");
  EXPECT_EQ(steps().size(), 3U);
  rollback(run(), Pointer::kBest, 2);
  EXPECT_EQ(read(run().checkpoints / kBestFile), "weights of 2");
  const std::string log = read(run().logs / "rollback.jsonl");
  EXPECT_THAT(log, HasSubstr(R"("which":"latest","from":"step-0000003","to":"step-0000001"})"));
  EXPECT_THAT(log, HasSubstr(R"("which":"best","from":"step-0000003","to":"step-0000002"})"));
}

TEST_F(RunFolder, GoesOnAfterARollback) {
  save(10);
  save(20);
  save(30);
  rollback(run(), Pointer::kLatest, 10);
  save(15, 2);
  EXPECT_EQ(find_checkpoint(run().run).step, 15);
  EXPECT_EQ(steps(), (Steps{15, 10}));  // 20 and 30 are of the branch that was left
}

TEST_F(RunFolder, ABranchThatARollbackLeftIsNotGoneBackTo) {
  save(10);
  save(20);
  rollback(run(), Pointer::kLatest, 10);
  save(15);
  write("run/checkpoints/step-0000015/model.safetensors", "");
  EXPECT_EQ(find_checkpoint(run().run).step, 10);
}

TEST_F(RunFolder, ARunMayBeNamedLikeAStep) {
  const RunPaths odd = make_run_folder(run().run / "step-lr");
  save_step(odd, 5, files_of(5));
  EXPECT_EQ(find_checkpoint(odd.run).step, 5);
  set_best(odd, 5);
  EXPECT_EQ(find_inference_file(odd.run).filename(), kBestFile);
}

TEST_F(RunFolder, KillWhileTheBestIsSavedNeverLeavesLatestAheadOfBest) {
  save(1);
  set_best(run(), 1);
  const auto save_best = [&] { save_step(run(), 2, files_of(2), {.best = true}); };
  for (int point = 0; killed_at(point, save_best); ++point) {
    const bool latest_is_new = pointed_step(run(), "latest") == step_name(2);
    ASSERT_TRUE(!latest_is_new || read(run().checkpoints / kBestFile) == "weights of 2") << point;
  }
  EXPECT_EQ(pointed_step(run(), "best"), step_name(2));
}

TEST_F(RunFolder, RollbackNeedsAWholeCheckpoint) {
  save(1);
  save(2);
  EXPECT_THAT(error_of([&] { rollback(run(), Pointer::kLatest, 3); }),
              HasSubstr("has no checkpoint of step 3\n  it has: 2, 1"));
  write("run/checkpoints/step-0000001/model.safetensors", "weights of 0");
  EXPECT_THAT(error_of([&] { rollback(run(), Pointer::kLatest, 1); }), HasSubstr("is damaged"));
  EXPECT_EQ(newest(), "weights of 2");
  EXPECT_FALSE(fs::exists(run().logs / "rollback.jsonl"));
}

TEST_F(RunFolder, SecondTrainerIsRefused) {
  const FolderLock lock(run().run);
  EXPECT_THAT(error_of([&] { FolderLock second(run().run); }, ErrorCode::kResource),
              HasSubstr("is in use by process"));
}

}  // namespace
}  // namespace medaug
