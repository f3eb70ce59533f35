// SPDX-License-Identifier: MIT
// classify through the real program on images that the test writes: the report, and that bad input
// gets one error with its exit status and leaves no report behind.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "base/random.h"
#include "cli_run.h"
#include "image/image.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::int64_t kSide = 16;

/// Noise with a bright spot at the top (class 0) or at the bottom (class 1).
Image picture(std::uint64_t seed, std::int64_t label) {
  RandomStream noise(seed, Purpose::kPhantom);
  auto pixels = at::empty({1, kSide, kSide});
  noise.fill_normal({pixels.mutable_data_ptr<float>(), kSide * kSide});
  pixels = (pixels * 20.0 + 90.0).clamp(0.0, 255.0);
  pixels.narrow(1, label == 0 ? 2 : kSide - 6, 4).narrow(2, 6, 4).fill_(240.0);
  return {pixels.to(at::kByte), 8};
}

struct Line {
  std::string image;
  std::int64_t label = 0;
  std::string caption = "a spot";
  std::string group = {};
};

/// A folder with train.jsonl, augmented.jsonl, val.jsonl and test.jsonl, written once.
class Classify : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new TemporaryFolder;
    fs::create_directories(base() / "images");
    write_set("train", 32, 1);
    write_set("augmented", 32, 2);
    write_set("val", 16, 3);
    write_set("test", 16, 4);
  }
  static void TearDownTestSuite() { delete base_; }

  static const fs::path& base() { return base_->path(); }
  static CliOutcome medaug(const std::vector<std::string>& arguments) {
    return run_medaug(arguments, base());
  }
  static void write_lines(const std::string& name, const std::vector<Line>& lines) {
    std::string text;
    for (const auto& line : lines) {
      Json json{{"image_path", line.image}, {"caption", line.caption}};
      if (line.label >= 0) {
        json["label"] = line.label;
      }
      if (!line.group.empty()) {
        json["group"] = line.group;
      }
      text += json.dump() + "\n";
    }
    write_text(name, text);
  }
  static void write_text(const std::string& name, std::string_view text) {
    base_->write(name, text);
  }
  static std::string image_of(const std::string& set, std::int64_t i) {
    return "images/" + set + std::to_string(i) + ".png";
  }

 private:
  static void write_set(const std::string& name, std::int64_t count, std::uint64_t seed) {
    std::vector<Line> lines;
    for (std::int64_t i = 0; i < count; ++i) {
      write_png(base() / image_of(name, i),
                picture(1000 * seed + static_cast<std::uint64_t>(i), i % 2));
      lines.push_back(
          {image_of(name, i), i % 2, i % 2 == 0 ? "Spot at the TOP" : "a spot, bottom"});
    }
    write_lines(name + ".jsonl", lines);
  }

  inline static TemporaryFolder* base_ = nullptr;
};

/// A short training; what `more` says comes before the usual.
std::vector<std::string> classify(std::vector<std::string> more) {
  const std::pair<const char*, const char*> usual[] = {{"--network", "small"},
                                                       {"--seeds", "1"},
                                                       {"--steps", "6"},
                                                       {"--epochs", "2"},
                                                       {"--output", "out/r.json"}};
  for (const auto& [option, value] : usual) {
    if (std::find(more.begin(), more.end(), option) == more.end()) {
      more.insert(more.end(), {option, value});
    }
  }
  more.insert(more.begin(), "classify");
  return more;
}

TEST_F(Classify, WritesTheOriginalProjectsReportAndMore) {
  const auto run =
      medaug(classify({"--original_data", "train.jsonl", "--augmented_data", "augmented.jsonl",
                       "--val_data", "val.jsonl", "--test_data", "test.jsonl", "--output",
                       "results/report.json", "--seeds", "2", "--save", "kept/c.safetensors"}));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = Json::parse(read_text(base() / "results/report.json"));
  const auto before = report.at("original_only").at("best_val_acc").get<double>();
  const auto behind = report.at("original_plus_augmented").at("best_val_acc").get<double>();
  EXPECT_NEAR(report.at("improvement_percent").get<double>(), 100.0 * (behind - before), 1e-3);
  EXPECT_GT(before, 0.6) << "the classes are plain to see";
  EXPECT_EQ(report.at("original_only").at("images"), 32);
  EXPECT_EQ(report.at("original_plus_augmented").at("images"), 64);
  EXPECT_EQ(report.at("original_only").at("steps"),
            report.at("original_plus_augmented").at("steps"));
  EXPECT_EQ(report.at("original_only").at("runs").size(), 2U);
  EXPECT_EQ(report.at("classes"), (Json{"0", "1"}));
  EXPECT_FALSE(report.at("network").at("pretrained").get<bool>());
  EXPECT_EQ(report.at("network").at("image_size"), (Json{kSide, kSide}));
  EXPECT_EQ(report.at("data").at("val").at("classes"), (Json{{"0", 8}, {"1", 8}}));
  EXPECT_EQ(report.at("verdict").at("split"), "test");
  const auto& d = report.at("improvement").at("test").at("balanced_accuracy");
  EXPECT_LE(d.at("low").get<double>(), d.at("points").get<double>());
  EXPECT_GE(d.at("high").get<double>(), d.at("points").get<double>());
  EXPECT_THAT(run.out, HasSubstr("original + augmented"));
  EXPECT_THAT(run.out, HasSubstr("verdict by balanced accuracy on test"));
  EXPECT_TRUE(fs::exists(base() / "kept/c.safetensors"));
}

TEST_F(Classify, WithoutAugmentedDataThereIsNoImprovement) {
  const auto run = medaug(classify({"--original-data", "train.jsonl", "--val-data", "val.jsonl",
                                    "--output", "alone.json", "--json"}));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto printed = Json::parse(run.out);
  EXPECT_TRUE(printed.at("improvement_percent").is_null());
  EXPECT_TRUE(printed.at("original_plus_augmented").is_null());
  const auto written = Json::parse(read_text(base() / "alone.json"));
  EXPECT_EQ(written.at("original_only"), printed.at("original_only"));
}

TEST_F(Classify, TheSameCallGivesTheSameScores) {
  const auto scores = [] {
    const auto run = medaug(classify({"--original_data", "train.jsonl", "--val_data", "val.jsonl",
                                      "--output", "same.json", "--json"}));
    return Json::parse(run.out).at("original_only").at("runs").at(0).at("history");
  };
  EXPECT_EQ(scores(), scores());
}

TEST_F(Classify, ClassesComeFromCaptionsWithALabelMap) {
  write_lines("unlabelled.jsonl", {{image_of("train", 0), -1, "spot at the top"},
                                   {image_of("train", 1), -1, "bottom"},
                                   {image_of("train", 2), -1, "nothing is said"}});
  write_text("map.json", R"({"above": ["top"], "below": ["bottom", "lowest"]})");
  const auto call = [](std::vector<std::string> more) {
    std::vector<std::string> all{"--original_data", "unlabelled.jsonl", "--val_data",
                                 "val.jsonl",       "--label_map",      "map.json",
                                 "--json",          "--output",         "map_report.json"};
    all.insert(all.end(), more.begin(), more.end());
    return medaug(classify(all));
  };
  const auto strict = call({});
  EXPECT_EQ(strict.status, 4);
  EXPECT_THAT(strict.err, HasSubstr("unlabelled.jsonl:3"));
  EXPECT_THAT(strict.err, HasSubstr("'nothing is said'"));
  const auto run = call({"--skip-unlabelled"});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("classes"), (Json{"above", "below"}));
  EXPECT_EQ(report.at("data").at("original").at("without_label"), 1);
}

TEST_F(Classify, CopiesOfOriginalsAmongTheAugmentedCountOnce) {
  fs::copy_file(base() / image_of("train", 0), base() / "images/copy.png");
  write_lines("with_copy.jsonl", {{"images/copy.png", 0}, {image_of("augmented", 1), 1}});
  const auto run =
      medaug(classify({"--original_data", "train.jsonl", "--augmented_data", "with_copy.jsonl",
                       "--val_data", "val.jsonl", "--output", "copies.json", "--json"}));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("original_plus_augmented").at("images"), 33);
  EXPECT_EQ(report.at("data").at("augmented").at("copies_left_out"), 1);
}

struct BadCall {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  std::vector<std::string> expected;  ///< all of them in the message
};

void PrintTo(const BadCall& bad, std::ostream* out) { *out << bad.name; }

class BadClassify : public Classify, public ::testing::WithParamInterface<BadCall> {};

TEST_P(BadClassify, IsNamedAndLeavesNothing) {
  write_lines("one_class.jsonl", {{image_of("train", 0), 0}, {image_of("train", 2), 0}});
  write_lines("no_labels.jsonl", {{image_of("train", 0), -1}, {image_of("train", 1), -1}});
  write_lines("third.jsonl", {{image_of("val", 0), 0}, {image_of("val", 1), 5}});
  write_lines("leak.jsonl", {{image_of("val", 0), 0}, {image_of("train", 3), 1}});
  write_lines("leaky_augmented.jsonl", {{image_of("val", 1), 1}});
  write_lines("patients.jsonl",
              {{image_of("train", 0), 0, "x", "p1"}, {image_of("train", 1), 1, "x", "p2"}});
  write_lines("same_patient.jsonl",
              {{image_of("val", 0), 0, "x", "p3"}, {image_of("val", 1), 1, "x", "p2"}});
  write_lines("only_copies.jsonl", {{image_of("train", 3), 1}});
  write_lines("no_image.jsonl", {{"images/none.png", 0}});
  write_text("bad_map.json", R"({"a": ["top"]})");
  write_text("bad.safetensors", "not weights");
  const auto& bad = GetParam();
  const auto run = medaug(bad.arguments);
  EXPECT_EQ(run.status, bad.status) << run.err;
  for (const auto& part : bad.expected) {
    EXPECT_THAT(run.err, HasSubstr(part));
  }
  EXPECT_THAT(run.err, HasSubstr("\n  ")) << "no hint";
  EXPECT_FALSE(fs::exists(base() / "out/r.json")) << "a report was left";
}

std::vector<std::string> with(const char* original, const char* val,
                              std::vector<std::string> more = {}) {
  std::vector<std::string> all{"--original_data", original, "--val_data", val};
  all.insert(all.end(), more.begin(), more.end());
  return classify(all);
}

const BadCall kBad[] = {
    {"NoValidationData", classify({"--original_data", "train.jsonl"}), 2, {"--val_data"}},
    {"ManifestMissing", with("none.jsonl", "val.jsonl"), 4, {"none.jsonl"}},
    {"ImageMissing", with("train.jsonl", "no_image.jsonl"), 4, {"no_image.jsonl:1", "none.png"}},
    {"OneClass", with("one_class.jsonl", "val.jsonl"), 4, {"one_class.jsonl", "one class"}},
    {"NoLabels", with("no_labels.jsonl", "val.jsonl"), 4, {"no_labels.jsonl:1", "--label-map"}},
    {"ClassThatTrainLacks",
     with("train.jsonl", "third.jsonl"),
     4,
     {"third.jsonl:2", "'5' does not occur"}},
    {"PictureInTrainAndVal",
     with("train.jsonl", "leak.jsonl"),
     4,
     {"leak.jsonl:2", "the same picture as at train.jsonl:4"}},
    {"AugmentedPictureInVal",
     with("train.jsonl", "val.jsonl", {"--augmented_data", "leaky_augmented.jsonl"}),
     4,
     {"val.jsonl:2", "the same picture as at leaky_augmented.jsonl:1"}},
    {"ValPictureInTest",
     with("train.jsonl", "val.jsonl", {"--test_data", "val.jsonl"}),
     4,
     {"val.jsonl:1", "the same picture"}},
    {"PatientInTrainAndVal",
     with("patients.jsonl", "same_patient.jsonl"),
     4,
     {"same_patient.jsonl:2", "'p2'"}},
    {"NothingAugmented",
     with("train.jsonl", "val.jsonl", {"--augmented_data", "only_copies.jsonl"}),
     4,
     {"only_copies.jsonl", "copies"}},
    {"LabelMapOfOneClass",
     with("train.jsonl", "val.jsonl", {"--label_map", "bad_map.json"}),
     4,
     {"bad_map.json", "two classes"}},
    {"UnknownNetwork",
     with("train.jsonl", "val.jsonl", {"--network", "vgg"}),
     2,
     {"--network", "small"}},
    {"WeightsForTheSmallOne",
     with("train.jsonl", "val.jsonl", {"--weights", "bad.safetensors"}),
     2,
     {"small", "from scratch"}},
    {"WeightsThatAreNone",
     with("train.jsonl", "val.jsonl",
          {"--network", "efficientnet_lite0", "--weights", "bad.safetensors"}),
     5,
     {"bad.safetensors"}},
    {"WeightsMissing",
     with("train.jsonl", "val.jsonl", {"--network", "resnet50", "--weights", "gone.safetensors"}),
     5,
     {"gone.safetensors"}},
    {"UnknownSetting",
     with("train.jsonl", "val.jsonl", {"--set", "classifier.weight_decai=1"}),
     3,
     {"weight_decai", "weight_decay"}},
    {"NoEpochs", with("train.jsonl", "val.jsonl", {"--epochs", "0"}), 2, {"--epochs"}},
};

std::string case_name(const ::testing::TestParamInfo<BadCall>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Classify, BadClassify, ::testing::ValuesIn(kBad), case_name);

}  // namespace
}  // namespace medaug::test
