// SPDX-License-Identifier: MIT
// `medaug evaluate` and `medaug segmenter train` through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/fields.h"
#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A TIFF of 2 x 2 float32 pixels that are not numbers.
std::string tiff_of_nan() {
  std::string file("II*\0\x08\0\0\0", 8);
  const auto put = [&file](auto value) {
    std::array<char, sizeof value> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    file.append(bytes.data(), bytes.size());
  };
  const std::vector<std::array<std::uint32_t, 2>> tags{{256, 2},  {257, 2},   {258, 32}, {259, 1},
                                                       {262, 1},  {273, 134}, {277, 1},  {278, 2},
                                                       {279, 16}, {339, 3}};
  put(static_cast<std::uint16_t>(tags.size()));
  for (const auto& [tag, value] : tags) {
    put(static_cast<std::uint16_t>(tag));
    put(std::uint16_t{4});
    put(std::uint32_t{1});
    put(value);
  }
  put(std::uint32_t{0});
  for (int i = 0; i < 4; ++i) {
    put(std::numeric_limits<float>::quiet_NaN());
  }
  return file;
}

/// Made-up data sets in colour (fundus/) and grey (scan/), and a segmenter of a few steps, once.
class Evaluated : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new TemporaryFolder;
    ASSERT_EQ(medaug({"phantom", "fundus", "--count", "30", "--size", "32"}).status, 0);
    ASSERT_EQ(medaug({"phantom", "large", "--count", "3", "--size", "64"}).status, 0);
    ASSERT_EQ(medaug({"phantom", "scan", "--count", "12", "--size", "32", "--kind", "scan"}).status,
              0);
    const auto trained = medaug(segmenter({"--steps", "6"}));
    ASSERT_EQ(trained.status, 0) << trained.err;
    EXPECT_THAT(trained.out, HasSubstr("held-out images"));
  }
  static void TearDownTestSuite() { delete base_; }

  static const fs::path& base() { return base_->path(); }
  static CliOutcome medaug(const std::vector<std::string>& arguments) {
    return run_medaug(arguments, base());
  }
  static std::vector<std::string> segmenter(const std::vector<std::string>& more) {
    std::vector<std::string> all{"segmenter",     "train",
                                 "--data",        "fundus/train.jsonl",
                                 "--val",         "fundus/val.jsonl",
                                 "--output",      "segmenter.safetensors",
                                 "--size",        "32",
                                 "--width",       "4",
                                 "--class-names", "bright,dark"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static fs::path write(const std::string& name, std::string_view text) {
    return base_->write(name, text);
  }
  /// What `evaluate` wrote.
  static Json evaluated(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "evaluate");
    arguments.insert(arguments.end(), {"--output", "found.json"});
    const auto run = medaug(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return Json::parse(read_text(base() / "found.json"));
  }

 private:
  inline static TemporaryFolder* base_ = nullptr;
};

TEST_F(Evaluated, AnImageAgainstItselfIsPerfectAndNothingIsNan) {
  const auto found = evaluated({"--generated", "fundus/images", "--reference", "fundus/images"});
  const auto& quality = found["image_quality"];
  EXPECT_EQ(found["count"], 30);
  EXPECT_EQ(quality["identical"], 30);
  EXPECT_EQ(quality["psnr"]["n"], 0);  // infinite
  EXPECT_TRUE(quality["psnr"]["mean"].is_null());
  EXPECT_DOUBLE_EQ(quality["ssim"]["mean"], 1.0);
  EXPECT_EQ(quality["ssim"]["band"], "excellent");
  EXPECT_DOUBLE_EQ(quality["mse"]["max"], 0.0);
  EXPECT_EQ(found["images"].size(), 30U);
  EXPECT_THAT(found["provenance"]["command"].get<std::string>(), HasSubstr("medaug evaluate"));
}

TEST_F(Evaluated, WhatCannotBeReadIsCountedAndTheRestGoesOn) {
  fs::create_directories(base() / "mixed");
  int copied = 0;
  for (const auto& entry : fs::directory_iterator(base() / "fundus/images")) {
    if (copied++ < 5) {
      fs::copy_file(entry.path(), base() / "mixed" / entry.path().filename());
    }
  }
  write("mixed/stranger.png", "no picture");
  for (const auto& entry : fs::directory_iterator(base() / "mixed")) {
    if (entry.path().stem() != "stranger") {
      write("mixed/" + entry.path().filename().string(), "cut");
      break;
    }
  }
  const auto found = evaluated({"--generated", "mixed", "--reference", "fundus/images"});
  EXPECT_EQ(found["count"], 4);
  EXPECT_EQ(found["skipped"]["n"], 2);
  EXPECT_EQ(found["image_quality"]["ssim"]["n"], 4);
}

TEST_F(Evaluated, AgreementHasCeilingNullClassesAndSizes) {
  const auto found = evaluated({"--generated", "fundus/val.jsonl", "--reference",
                                "fundus/val.jsonl", "--segmenter", "segmenter.safetensors"});
  const auto& agreement = found["agreement"];
  // The images are the reference itself: what is reached is the ceiling.
  EXPECT_EQ(agreement["generated"]["mean"], agreement["ceiling"]["mean"]);
  EXPECT_TRUE(agreement["generated"]["per_class"].contains("bright"));
  EXPECT_TRUE(agreement["generated"]["per_class"].contains("dark"));
  EXPECT_TRUE(agreement["null"].contains("mean"));
  EXPECT_TRUE(found["images"][0].contains("dice_bright"));
  EXPECT_GE(agreement["segmenter"]["training"]["train_images"].get<int>(), 10);
}

TEST_F(Evaluated, ASetAgainstItselfHasNoDistance) {
  const auto found =
      evaluated({"--generated", "fundus/images", "--reference", "fundus/images", "--distribution"});
  const auto& spaces = found["distribution"]["spaces"];
  const auto& radiomics = spaces[spaces.size() - 1];
  EXPECT_EQ(radiomics["name"], "radiomics");
  EXPECT_NEAR(radiomics["generated"]["fid"].get<double>(), 0.0, 1e-6);
  EXPECT_LE(radiomics["generated"]["kid"]["value"].get<double>(), 0.0);
  EXPECT_DOUBLE_EQ(radiomics["generated"]["precision"], 1.0);
  EXPECT_DOUBLE_EQ(radiomics["generated"]["coverage"], 1.0);
  EXPECT_GT(radiomics["floor"]["fid"].get<double>(), 0.0);
  EXPECT_DOUBLE_EQ(found["distribution"]["appearance"]["ratio"]["sharpness"], 1.0);
}

TEST_F(Evaluated, ColourRulesFindBrightThingsInGreyImages) {
  const auto found = evaluated({"--generated", "scan/val.jsonl", "--evaluate-structure",
                                "--structure-method", "brightness"});
  EXPECT_EQ(found["structure"]["rule"], "brightness");
  EXPECT_GT(found["structure"]["dice"]["n"].get<int>(), 0);
  EXPECT_FALSE(found.contains("image_quality"));
}

TEST_F(Evaluated, TrainingImagesAmongTheGeneratedAreFlaggedAsCopiesOfThemselves) {
  ASSERT_EQ(medaug({"phantom", "many", "--count", "80", "--size", "64"}).status, 0);
  std::istringstream train(read_text(base() / "many/train.jsonl"));
  std::string lines = read_text(base() / "many/test.jsonl"), line;
  std::vector<std::string> planted;
  for (int i = 0; i < 4 && std::getline(train, line); ++i) {
    planted.push_back(fs::path(Json::parse(line)["image_path"].get<std::string>()).stem());
    lines += line + "\n";
  }
  write("many/generated.jsonl", lines);
  const auto found =
      evaluated({"--generated", "many/generated.jsonl", "--reference", "many/val.jsonl",
                 "--unpaired", "--training", "many/train.jsonl", "--audit-copies"});
  const auto& copies = found["copies"];
  EXPECT_GE(copies["flagged"].get<int>(), 4);
  EXPECT_LE(copies["false_alarms"].get<double>(), 0.01);
  EXPECT_EQ(copies["planted"]["n"], 200);
  EXPECT_GE(copies["planted"]["sensitivity"].get<double>(), 0.9);
  EXPECT_TRUE(copies["authpct"].is_number());
  for (const auto& row : found["images"]) {
    const auto name = row["name"].get<std::string>();
    if (std::find(planted.begin(), planted.end(), name) != planted.end()) {
      EXPECT_TRUE(row["copy_flag"].get<bool>()) << name;
      EXPECT_EQ(fs::path(row["nearest_training"].get<std::string>()).stem(), name);
    }
  }
}

TEST_F(Evaluated, ARequiredFigureThatIsNotReachedHasAStatusOfItsOwn) {
  std::vector<std::string> call{"evaluate",      "--generated",         "fundus/images",
                                "--reference",   "fundus/images",       "--output",
                                "required.json", "--require",           "image_quality.ssim>=1",
                                "--require",     "image_quality.mse<=0"};
  EXPECT_EQ(medaug(call).status, 0);
  call.back() = "image_quality.mse>=1";
  fs::remove(base() / "required.json");
  const auto run = medaug(call);
  EXPECT_EQ(run.status, 8);
  EXPECT_THAT(run.err, HasSubstr("image_quality.mse>=1 (it is 0"));
  EXPECT_TRUE(fs::exists(base() / "required.json"));
}

struct BadEvaluation {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  std::vector<std::string> expected;  ///< all of them in the message
};
void PrintTo(const BadEvaluation& bad, std::ostream* out) { *out << bad.name; }

class BadEvaluations : public Evaluated, public ::testing::WithParamInterface<BadEvaluation> {};

std::vector<std::string> evaluate(std::vector<std::string> more) {
  std::vector<std::string> all{"evaluate", "--output", "out.json"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST_P(BadEvaluations, IsNamedAndLeavesNothing) {
  fs::create_directories(base() / "empty");
  write("text/a.png", "this is not a picture");
  write("nan/a.tif", tiff_of_nan());
  write("twins/a.png", "");
  write("twins/a.jpg", "");
  write("broken.jsonl", "{\"image_path\": \"a.png\", \"caption\": \"x\"\n");
  write("other.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  const auto picture = fs::directory_iterator(base() / "fundus/images")->path();
  fs::create_directories(base() / "one");
  fs::copy_file(picture, base() / "one/one.png", fs::copy_options::overwrite_existing);
  fs::create_directories(base() / "larger");
  fs::copy_file(fs::directory_iterator(base() / "large/images")->path(), base() / "larger/one.png",
                fs::copy_options::overwrite_existing);
  write("maskless.jsonl", "{\"image_path\": \"one/one.png\", \"caption\": \"x\"}\n");
  write("unmasked.jsonl", "{\"image_path\": \"larger/one.png\", \"caption\": \"x\"}\n");
  // A picture as a mask: its levels are no classes.
  write("classes.jsonl",
        "{\"image_path\": \"one/one.png\", \"caption\": \"x\", \"mask_path\": \"levels.png\"}\n");
  fs::copy_file(picture, base() / "levels.png", fs::copy_options::overwrite_existing);
  const auto& bad = GetParam();
  const auto run = medaug(bad.arguments);
  EXPECT_EQ(run.status, bad.status) << run.out << run.err;
  for (const auto& part : bad.expected) {
    EXPECT_THAT(run.err, HasSubstr(part));
  }
  EXPECT_THAT(run.err, HasSubstr("\n  ")) << "no hint";
  EXPECT_FALSE(fs::exists(base() / "out.json"));
  EXPECT_FALSE(fs::exists(base() / "out.safetensors"));
}

std::vector<std::string> train_segmenter_with(std::vector<std::string> more) {
  std::vector<std::string> all{"segmenter", "train", "--output", "out.safetensors"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

const BadEvaluation kBad[] = {
    {"NoGenerated", {"evaluate", "--reference", "fundus/images"}, 2, {"--generated"}},
    {"NothingToMeasure", evaluate({"--generated", "fundus/images"}), 2, {"--reference"}},
    {"GeneratedMissing",
     evaluate({"--generated", "none", "--reference", "fundus/images"}),
     4,
     {"none", "no such folder"}},
    {"GeneratedEmpty",
     evaluate({"--generated", "empty", "--reference", "fundus/images"}),
     4,
     {"empty", "no picture"}},
    {"ManifestBroken",
     evaluate({"--generated", "broken.jsonl", "--reference", "fundus/images"}),
     4,
     {"broken.jsonl:1"}},
    {"NoPartner",
     evaluate({"--generated", "one", "--reference", "fundus/images"}),
     4,
     {"no reference of this name", "--unpaired"}},
    {"OtherSizes",
     evaluate({"--generated", "one", "--reference", "larger"}),
     4,
     {"--resize-reference"}},
    {"NotAPicture", evaluate({"--generated", "text", "--reference", "text"}), 4, {"a.png"}},
    {"TiffOfNan", evaluate({"--generated", "nan", "--reference", "nan"}), 4, {"a.tif"}},
    {"Twins", evaluate({"--generated", "twins", "--reference", "twins"}), 4, {"'a'"}},
    {"DistributionWithoutReference",
     evaluate({"--generated", "fundus/images", "--distribution"}),
     2,
     {"--distribution", "--reference"}},
    {"DistributionOfOneImage",
     evaluate(
         {"--generated", "one", "--reference", "fundus/images", "--unpaired", "--distribution"}),
     4,
     {"at least two"}},
    {"CopiesWithoutTrainingImages",
     evaluate({"--generated", "fundus/images", "--reference", "fundus/val.jsonl", "--unpaired",
               "--audit-copies"}),
     2,
     {"--audit-copies", "--training"}},
    {"CopiesByTooFewHeldOut",
     evaluate({"--generated", "fundus/images", "--reference", "one", "--unpaired", "--training",
               "fundus/train.jsonl", "--audit-copies"}),
     4,
     {"1 held-out images are too few"}},
    {"CopiesByTrainingImagesThemselves",
     evaluate({"--generated", "fundus/images", "--reference", "fundus/train.jsonl", "--unpaired",
               "--training", "fundus/train.jsonl", "--audit-copies"}),
     4,
     {"are among the training images"}},
    {"StructureWithoutMasks",
     evaluate({"--generated", "one", "--evaluate-structure"}),
     4,
     {"--masks"}},
    {"RedInGreyImages",
     evaluate({"--generated", "scan/val.jsonl", "--evaluate-structure"}),
     4,
     {"grey", "brightness"}},
    {"UnknownRule",
     evaluate(
         {"--generated", "fundus/images", "--evaluate-structure", "--structure-method", "blue"}),
     2,
     {"blue"}},
    {"RequirementIsNone",
     evaluate(
         {"--generated", "fundus/images", "--reference", "fundus/images", "--require", "good"}),
     2,
     {"'good'", "KEY>=NUMBER"}},
    {"SegmenterMissing",
     evaluate({"--generated", "fundus/val.jsonl", "--segmenter", "none.safetensors"}),
     5,
     {"none.safetensors"}},
    {"SegmenterIsAnother",
     evaluate({"--generated", "fundus/val.jsonl", "--segmenter", "other.safetensors"}),
     5,
     {"no segmenter", "segmenter train"}},
    {"SegmenterOfOtherClasses",
     evaluate({"--generated", "classes.jsonl", "--segmenter", "segmenter.safetensors"}),
     4,
     {"levels.png"}},
    {"SegmenterWithoutMasks",
     evaluate({"--generated", "maskless.jsonl", "--segmenter", "segmenter.safetensors"}),
     4,
     {"no generated image has a mask"}},
    {"WeightsOfAnotherNetwork",
     evaluate({"--generated", "fundus/images", "--reference", "fundus/images", "--distribution",
               "--efficientnet", "segmenter.safetensors"}),
     5,
     {"segmenter.safetensors"}},
    {"TrainWithoutData", train_segmenter_with({}), 2, {"--data"}},
    {"TrainWithoutHeldOut", train_segmenter_with({"--data", "fundus/train.jsonl"}), 2, {"--val"}},
    {"TrainOnImagesWithoutMasks",
     train_segmenter_with(
         {"--data", "unmasked.jsonl", "--val", "fundus/val.jsonl", "--class-names", "bright,dark"}),
     4,
     {"no image of this data set has a mask"}},
    {"TrainingImagesAmongTheHeldOut",
     train_segmenter_with({"--data", "fundus/train.jsonl", "--val", "fundus/train.jsonl",
                           "--class-names", "bright,dark"}),
     4,
     {"fundus/train.jsonl:1", "the same picture"}},
    {"NamesForOtherClasses",
     train_segmenter_with({"--data", "fundus/train.jsonl", "--val", "fundus/val.jsonl", "--classes",
                           "3", "--class-names", "bright,dark"}),
     2,
     {"2 names for 3 classes"}},
    {"MasksHaveMoreClasses",
     train_segmenter_with({"--data", "fundus/train.jsonl", "--val", "fundus/val.jsonl", "--steps",
                           "2", "--size", "32"}),
     4,
     {"fundus"}},
};

INSTANTIATE_TEST_SUITE_P(Evaluate, BadEvaluations, ::testing::ValuesIn(kBad),
                         [](const auto& bad) { return std::string(bad.param.name); });

}  // namespace
}  // namespace medaug::test
