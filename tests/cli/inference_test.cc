// SPDX-License-Identifier: MIT
// generate, augment, rollback and check checkpoint through the real program on a real, tiny run:
// what they write, and that bad input gets one error with its exit status and leaves no output
// behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "inference/image_generator.h"
#include "tiny_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path only_png(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".png" && entry.path().stem() != "contact_sheet" &&
        entry.path().string().find("mask") == std::string::npos) {
      return entry.path();
    }
  }
  return {};
}

TEST_F(TinyRun, GenerateMakesOneImageForEachRecordAndAManifest) {
  const auto run = medaug({"generate", "--checkpoint", "run", "--manifest", "phantom/val.jsonl",
                           "--output", "generated", "--steps", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto records = lines_of(base() / "phantom/val.jsonl").size();
  const auto made = lines_of(base() / "generated/generated.jsonl");
  EXPECT_EQ(made.size(), records);
  EXPECT_THAT(made.front(), HasSubstr("\"synthetic\":true"));
  EXPECT_TRUE(fs::exists(base() / "generated/contact_sheet.png"));
  const auto again = medaug({"generate", "--checkpoint", "run", "--manifest", "phantom/val.jsonl",
                             "--output", "generated", "--steps", "2"});
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, HasSubstr("already holds generated images"));
}

TEST_F(TinyRun, TheLibraryMakesTheSameImageAsTheProgram) {
  const auto mask = mask_of_phantom();
  ASSERT_EQ(medaug({"generate", "--checkpoint", "run", "--caption", "a fundus image", "--mask",
                    mask, "--seed", "7", "--steps", "3", "--guidance", "2", "--output", "program"})
                .status,
            0);
  ImageGenerator generator(base() / "run");
  const auto made = generator.generate_image({.caption = "a fundus image",
                                              .mask = base() / mask,
                                              .num_inference_steps = 3,
                                              .guidance_scale = 2.0,
                                              .seed = 7});
  const auto stored = read_image(only_png(base() / "program"));
  EXPECT_TRUE(stored.pixels.to(at::kInt).equal(made.pixels.to(at::kInt)));
  EXPECT_FALSE(generator.generate_image({.caption = "a fundus image", .seed = 8})
                   .pixels.to(at::kInt)
                   .equal(made.pixels.to(at::kInt)));
}

TEST_F(TinyRun, GenerateNeedsNoImagesOnlyMasks) {
  const auto mask = mask_of_phantom();
  write("masks.jsonl", "{\"caption\": \"a fundus image\", \"mask_path\": \"" + mask + "\"}\n");
  const auto run = medaug({"generate", "--checkpoint", "run", "--manifest", "masks.jsonl",
                           "--output", "from_masks", "--steps", "2"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(lines_of(base() / "from_masks/generated.jsonl").size(), 1U);
}

TEST_F(TinyRun, AnImageHasTheSameBytesAloneAndInABatch) {
  const auto make = [](const std::string& output, const std::string& seed,
                       const std::string& count) {
    return medaug({"generate", "--checkpoint", "run", "--caption", "a fundus image", "--seed", seed,
                   "--count", count, "--output", output, "--steps", "3", "--guidance", "2"});
  };
  ASSERT_EQ(make("batch", "42", "5").status, 0);
  ASSERT_EQ(make("alone", "45", "1").status, 0);
  std::vector<std::string> batch;
  for (const auto& entry : fs::recursive_directory_iterator(base() / "batch")) {
    if (entry.path().extension() == ".png" && entry.path().stem() != "contact_sheet") {
      batch.push_back(read_text(entry.path()));
    }
  }
  const auto alone = read_text(only_png(base() / "alone"));
  EXPECT_EQ(batch.size(), 5U);
  EXPECT_EQ(std::count(batch.begin(), batch.end(), alone), 1);
}

TEST_F(TinyRun, OtherSizesWorkAndThoseThatDoNotAreNamed) {
  const auto wide = medaug({"generate", "--checkpoint", kModel, "--caption", "a fundus image",
                            "--size", "32x48", "--output", "wide", "--steps", "2"});
  EXPECT_EQ(wide.status, 0) << wide.err;
  const auto odd = medaug({"generate", "--checkpoint", kModel, "--caption", "a fundus image",
                           "--size", "33x48", "--output", "odd", "--steps", "2"});
  EXPECT_EQ(odd.status, 2) << odd.err;
  EXPECT_THAT(odd.err, HasSubstr("32 x 48"));
  EXPECT_FALSE(fs::exists(base() / "odd"));
}

TEST_F(TinyRun, PaintingIntoAPictureChangesNothingOutsideOfTheRegion) {
  ASSERT_EQ(medaug({"generate", "--checkpoint", kModel, "--caption", "a fundus image", "--output",
                    "background", "--steps", "2"})
                .status,
            0);
  const auto background = read_image(only_png(base() / "background"));
  auto region = at::zeros_like(background.pixels[0]).unsqueeze(0);
  region.slice(1, 8, 20).slice(2, 4, 12).fill_(255);
  write("region.png", encode_png({region, 8}));
  const auto init = fs::relative(only_png(base() / "background"), base()).string();
  const auto run =
      medaug({"generate", "--checkpoint", kModel, "--caption", "a fundus image", "--seed", "9",
              "--init", init, "--region", "region.png", "--output", "painted", "--steps", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto differs = read_image(only_png(base() / "painted")).pixels.ne(background.pixels);
  EXPECT_TRUE(differs.any().item<bool>());
  EXPECT_FALSE(differs.logical_and(region.eq(0)).any().item<bool>());
  write("black.png", encode_png({at::zeros_like(region), 8}));
  const auto none = medaug({"generate", "--checkpoint", kModel, "--caption", "x", "--init", init,
                            "--region", "black.png", "--output", "none"});
  EXPECT_EQ(none.status, 4);
  EXPECT_THAT(none.err, HasSubstr("marks no place to paint"));
  EXPECT_FALSE(fs::exists(base() / "none"));
  const auto half = medaug(
      {"generate", "--checkpoint", kModel, "--caption", "x", "--init", init, "--output", "none"});
  EXPECT_EQ(half.status, 2);
  EXPECT_THAT(half.err, HasSubstr("--region"));
}

TEST_F(TinyRun, AugmentWritesAManifestThatCheckDataAccepts) {
  const auto run = medaug({"augment", "--checkpoint", "run", "--manifest", "phantom/train.jsonl",
                           "--output", "augmented", "--ratio", "0.5", "--mask-transform", "affine",
                           "--originals", "copy", "--steps", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  fs::path manifest;
  for (const auto& entry : fs::directory_iterator(base() / "augmented")) {
    manifest = entry.path().extension() == ".jsonl" ? entry.path() : manifest;
  }
  const auto check = medaug({"check", "data", manifest.string()});
  EXPECT_EQ(check.status, 0) << check.out << check.err;
}

TEST_F(TinyRun, RollbackPointsToAnEarlierStepAndDeletesNothing) {
  const auto before = lines_of(base() / "run/checkpoints/latest");
  const auto listed = medaug({"rollback", "run", "--list"});
  EXPECT_EQ(listed.status, 0);
  EXPECT_THAT(listed.out, HasSubstr("4"));
  const auto back = medaug({"rollback", "run"});
  ASSERT_EQ(back.status, 0) << back.err;
  EXPECT_NE(lines_of(base() / "run/checkpoints/latest"), before);
  EXPECT_TRUE(fs::exists(base() / "run/checkpoints/step-0000002"));
  EXPECT_TRUE(fs::exists(base() / "run/checkpoints/step-0000004"));
  const auto none = medaug({"rollback", "run", "--step", "3"});
  EXPECT_NE(none.status, 0);
  EXPECT_THAT(none.err, HasSubstr("3"));
  EXPECT_EQ(medaug({"rollback", "run", "--step", "4"}).status, 0);
  EXPECT_EQ(lines_of(base() / "run/checkpoints/latest"), before);
}

TEST_F(TinyRun, CheckCheckpointFindsOneDamagedByte) {
  const auto good = medaug({"check", "checkpoint", "run"});
  EXPECT_EQ(good.status, 0) << good.out << good.err;
  fs::copy(base() / "run", base() / "damaged", fs::copy_options::recursive);
  const auto step = base() / "damaged/checkpoints/step-0000004";
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(step)) {
    if (largest.empty() || fs::file_size(entry.path()) > fs::file_size(largest)) {
      largest = entry.path();
    }
  }
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(largest) / 2));
  file.put('\x55').put('\x2a').put('\x13');
  file.close();
  const auto bad = medaug({"check", "checkpoint", step.string()});
  EXPECT_EQ(bad.status, 5) << bad.out << bad.err;
  EXPECT_THAT(bad.out + bad.err, HasSubstr(largest.filename().string()));
}

struct BadCall {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  std::vector<std::string> expected;  ///< all of them in the message
};

void PrintTo(const BadCall& bad, std::ostream* out) { *out << bad.name; }

class BadInference : public TinyRun, public ::testing::WithParamInterface<BadCall> {};

std::vector<std::string> generate(std::vector<std::string> more) {
  std::vector<std::string> all{"generate", "--output", "out"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<std::string> augment(std::vector<std::string> more) {
  std::vector<std::string> all{"augment", "--output", "out", "--checkpoint", kModel};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<std::string> train(std::vector<std::string> more) {
  std::vector<std::string> all{"train", "--output", "out", "--config", "run/config.yaml"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST_P(BadInference, IsNamedAndLeavesNothing) {
  write("mine/train.jsonl", "{}\n");
  write("text.jsonl", "{\"image_path\": \"text.png\", \"caption\": \"x\"}\n");
  write("text.png", "this is not a picture");
  write("empty.png", "");
  write("pickle.pt", std::string("\x80\x02}q\x00.", 6));
  write("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  write("short.safetensors", std::string("\xff\0\0\0\0\0\0\0{", 9));
  write("broken.jsonl", "{\"image_path\": \"a.png\", \"caption\": \"x\"\n");
  write("missing.jsonl",
        "{\"image_path\": \"a.png\", \"caption\": \"x\", \"mask_path\": \"none.png\"}\n");
  write("empty.jsonl", "");
  write("out_of_root.jsonl", "{\"caption\": \"x\", \"mask_path\": \"../../a.png\"}\n");
  const auto& bad = GetParam();
  const auto run = medaug(bad.arguments);
  EXPECT_EQ(run.status, bad.status) << run.err;
  for (const auto& part : bad.expected) {
    EXPECT_THAT(run.err, HasSubstr(part));
  }
  EXPECT_THAT(run.err, HasSubstr("\n  ")) << "no hint";
  EXPECT_FALSE(fs::exists(base() / "out")) << "a partial output was left";
  fs::remove_all(base() / "out");
}

const BadCall kGenerate[] = {
    {"NothingToMake", generate({"--checkpoint", kModel}), 2, {"nothing to make", "--caption"}},
    {"NoCheckpoint", generate({"--caption", "x"}), 2, {"checkpoint"}},
    {"CheckpointMissing",
     generate({"--checkpoint", "none.safetensors", "--caption", "x"}),
     5,
     {"none.safetensors"}},
    {"CheckpointIsPickle",
     generate({"--checkpoint", "pickle.pt", "--caption", "x"}),
     5,
     {"pickle.pt"}},
    {"CheckpointIsLfsPointer",
     generate({"--checkpoint", "lfs.safetensors", "--caption", "x"}),
     5,
     {"lfs.safetensors", "git-lfs"}},
    {"CheckpointIsShort",
     generate({"--checkpoint", "short.safetensors", "--caption", "x"}),
     5,
     {"short.safetensors"}},
    {"CheckpointIsOptimizerState",
     generate({"--checkpoint", "phantom/train.jsonl", "--caption", "x"}),
     5,
     {"train.jsonl"}},
    {"MaskMissing", generate({"--checkpoint", kModel, "--mask", "none.png"}), 4, {"none.png"}},
    {"MaskIsText", generate({"--checkpoint", kModel, "--mask", "text.png"}), 4, {"text.png"}},
    {"MaskIsEmpty", generate({"--checkpoint", kModel, "--mask", "empty.png"}), 4, {"empty.png"}},
    {"MaskIsFolder", generate({"--checkpoint", kModel, "--mask", "phantom"}), 4, {"phantom"}},
    {"ManifestMissing",
     generate({"--checkpoint", kModel, "--manifest", "none.jsonl"}),
     4,
     {"none.jsonl"}},
    {"ManifestBroken",
     generate({"--checkpoint", kModel, "--manifest", "broken.jsonl"}),
     4,
     {"broken.jsonl:1"}},
    {"ManifestEmpty",
     generate({"--checkpoint", kModel, "--manifest", "empty.jsonl"}),
     4,
     {"empty.jsonl"}},
    {"ManifestMaskMissing",
     generate({"--checkpoint", kModel, "--manifest", "missing.jsonl"}),
     4,
     {"missing.jsonl:1", "none.png"}},
    {"ManifestLeavesRoot",
     generate({"--checkpoint", kModel, "--manifest", "out_of_root.jsonl"}),
     4,
     {"out_of_root.jsonl:1"}},
    {"CaptionAndManifest",
     generate({"--checkpoint", kModel, "--manifest", "phantom/val.jsonl", "--caption", "x"}),
     2,
     {"--caption", "--manifest"}},
    {"MaskAndManifest",
     generate({"--checkpoint", kModel, "--manifest", "phantom/val.jsonl", "--mask", "m.png"}),
     2,
     {"--mask", "--manifest"}},
    {"ZeroSteps",
     generate({"--checkpoint", kModel, "--caption", "x", "--steps", "0"}),
     2,
     {"--steps"}},
    {"GuidanceIsNan",
     generate({"--checkpoint", kModel, "--caption", "x", "--guidance", "nan"}),
     2,
     {"--guidance"}},
    {"UnknownSolver",
     generate({"--checkpoint", kModel, "--caption", "x", "--solver", "eular"}),
     2,
     {"eular", "euler"}},
    {"UnknownFlag",
     generate({"--checkpoint", kModel, "--caption", "x", "--stps", "3"}),
     2,
     {"--stps"}},
    {"SizeIsText",
     generate({"--checkpoint", kModel, "--caption", "x", "--size", "big"}),
     2,
     {"big"}},
    {"SizeIsHuge",
     generate({"--checkpoint", kModel, "--caption", "x", "--size", "1000000x1000000"}),
     2,
     {"size"}},
    {"CountIsZero",
     generate({"--checkpoint", kModel, "--caption", "x", "--count", "0"}),
     2,
     {"--count"}},
    {"CaptionIsNotUtf8", generate({"--checkpoint", kModel, "--caption", "\xff\xfe"}), 2, {"UTF-8"}},
    {"DeviceIsNotThere",
     generate({"--checkpoint", kModel, "--caption", "x", "--device", "tpu"}),
     2,
     {"tpu"}},
};

const BadCall kAugment[] = {
    {"NoManifest", augment({}), 2, {"--manifest"}},
    {"ManifestMissing", augment({"--manifest", "none.jsonl"}), 4, {"none.jsonl"}},
    {"ManifestBroken", augment({"--manifest", "broken.jsonl"}), 4, {"broken.jsonl:1"}},
    {"ManifestEmpty", augment({"--manifest", "empty.jsonl"}), 4, {"empty.jsonl"}},
    {"MaskMissing", augment({"--manifest", "missing.jsonl"}), 4, {"missing.jsonl:1"}},
    {"RatioIsNegative",
     augment({"--manifest", "phantom/train.jsonl", "--ratio", "-1"}),
     2,
     {"--ratio"}},
    {"BalanceOfNothing",
     augment({"--manifest", "phantom/train.jsonl", "--balance", "age"}),
     2,
     {"--balance"}},
    {"UnknownTransform",
     augment({"--manifest", "phantom/train.jsonl", "--mask-transform", "afine"}),
     2,
     {"afine", "affine"}},
    {"RollbackOfNothing", {"rollback", "none"}, 5, {"none"}},
    {"CheckOfNothing", {"check", "checkpoint", "none.safetensors"}, 5, {"none.safetensors"}},
    {"TrainAgainInAUsedFolder",
     {"train", "--config", "run/config.yaml", "--output", "run"},
     3,
     {"run", "--resume"}},
    {"TrainOnAMissingManifest", train({"--set", "data.train_data=none.jsonl"}), 4, {"none.jsonl"}},
    {"TrainOnABrokenManifest",
     train({"--set", "data.train_data=broken.jsonl"}),
     4,
     {"broken.jsonl:1"}},
    {"TrainOnAnEmptyManifest", train({"--set", "data.train_data=empty.jsonl"}), 4, {"empty.jsonl"}},
    {"TrainOnAPictureThatIsText",
     train({"--set", "data.train_data=text.jsonl"}),
     4,
     {"text.jsonl:1", "text.png"}},
    {"TrainOnTheGpuThatIsNotThere", train({"--set", "training.device=tpu"}), 3, {"tpu", "cuda"}},
    {"TrainWithTooManyAverages",
     train({"--set", "training.ema_half_life=[0.01, 0.02, 0.05, 0.1]"}),
     3,
     {"ema_half_life"}},
    {"ResumeOfNothing", train({"--resume"}), 5, {"out", "no checkpoint"}},
    {"ResumeHereAndOutputThere", train({"--resume", "run"}), 2, {"--resume", "--output"}},
    {"DryRunOfAMissingManifest",
     train({"--dry-run", "--set", "data.train_data=none.jsonl"}),
     4,
     {"none.jsonl"}},
    {"PhantomOverAUsersData", {"phantom", "mine"}, 2, {"mine", "not empty"}},
};

std::string case_name(const ::testing::TestParamInfo<BadCall>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Generate, BadInference, ::testing::ValuesIn(kGenerate), case_name);
INSTANTIATE_TEST_SUITE_P(AugmentAndRuns, BadInference, ::testing::ValuesIn(kAugment), case_name);

}  // namespace
}  // namespace medaug::test
