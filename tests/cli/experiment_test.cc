// SPDX-License-Identifier: MIT
// experiment through the real program: both tasks, going on behind what is finished, the page, and
// that what would make the answer worthless is refused before anything is trained.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// real/ and made/ (other pictures of the same kind), once.
class ExperimentVerb : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new TemporaryFolder;
    ASSERT_EQ(medaug({"phantom", "real", "--count", "40", "--size", "32"}).status, 0);
    ASSERT_EQ(medaug({"phantom", "made", "--count", "24", "--size", "32", "--seed", "9"}).status,
              0);
    // Made-up patients have the same names in both sets, generated images have none.
    std::istringstream lines(read_text(base() / "made/train.jsonl"));
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      auto json = Json::parse(line);
      json.erase("group");
      kept += json.dump() + "\n";
    }
    base_->write("made/manifest.jsonl", kept);
  }
  static void TearDownTestSuite() { delete base_; }

  static const fs::path& base() { return base_->path(); }
  static void write(const std::string& name, std::string_view text) { base_->write(name, text); }
  static CliOutcome medaug(const std::vector<std::string>& arguments) {
    return run_medaug(arguments, base());
  }

 private:
  inline static TemporaryFolder* base_ = nullptr;
};

/// A short experiment; manifests that `more` names replace the usual ones.
std::vector<std::string> experiment(const std::string& task, std::vector<std::string> more = {}) {
  const std::pair<const char*, const char*> usual[] = {{"--real", "real/train.jsonl"},
                                                       {"--synthetic", "made/manifest.jsonl"},
                                                       {"--val", "real/val.jsonl"},
                                                       {"--test", "real/test.jsonl"},
                                                       {"--output", "out"},
                                                       {"--size", "32"},
                                                       {"--seeds", "2"},
                                                       {"--steps", "4"},
                                                       {"--ratios", "1"}};
  for (const auto& [option, value] : usual) {
    if (std::find(more.begin(), more.end(), option) == more.end()) {
      more.insert(more.end(), {option, value});
    }
  }
  if (task == "segmentation") {
    more.insert(more.end(), {"--set", "segmenter.width=4", "--classes", "2"});
  } else {
    more.insert(more.end(), {"--network", "small"});
  }
  more.insert(more.begin(), {"experiment", task});
  return more;
}

TEST_F(ExperimentVerb, ComparesAllArmsOfASegmenterAndGoesOnBehindWhatIsFinished) {
  const auto call =
      experiment("segmentation", {"--labelled", "8", "--output", "seg", "--report", "seg/page.html",
                                  "--generator-training", "real/train.jsonl"});
  const auto run = medaug(call);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("verdict: "));
  EXPECT_THAT(run.out, HasSubstr("the generator saw "));
  const auto report = Json::parse(read_text(base() / "seg/experiment.json"));
  ASSERT_EQ(report["arms"].size(), 6U);
  for (const auto& [name, arm] : report["arms"].items()) {
    EXPECT_EQ(arm["runs"].size(), 2U) << name;
    EXPECT_EQ(arm["test"]["dice"]["n"], 2) << name;
    EXPECT_EQ(arm["test"]["dice"]["ci95"].size(), 2U) << name;
  }
  EXPECT_EQ(report["arms"]["real"]["real_images"], 8);
  EXPECT_EQ(report["arms"]["synthetic_only"]["real_images"], 0);
  EXPECT_TRUE(report["differences"].contains("pretrained"));
  const auto page = read_text(base() / "seg/page.html");
  EXPECT_THAT(page, HasSubstr("synthetic_only"));
  EXPECT_THAT(page, HasSubstr("pretrained"));

  const auto again = medaug(call);
  ASSERT_EQ(again.status, 0) << again.err;
  auto repeated = Json::parse(read_text(base() / "seg/experiment.json"));
  EXPECT_EQ(repeated["arms"], report["arms"]);  // with the seconds that the first call took
}

TEST_F(ExperimentVerb, ScoresAClassifierByBalancedAccuracyAurocAndF1) {
  const auto run = medaug(experiment(
      "classification", {"--output", "class", "--arms", "classic,synthetic", "--seeds", "1"}));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = Json::parse(read_text(base() / "class/experiment.json"));
  const auto& scores = report["arms"]["classic"]["test"];
  for (const auto* const name : {"balanced_accuracy", "auroc_macro", "f1_macro", "accuracy"}) {
    EXPECT_TRUE(scores.contains(name)) << name;
  }
  EXPECT_EQ(report["verdict"]["score"], "balanced_accuracy");
  EXPECT_THAT(run.out, HasSubstr("nothing is known of what the generator was trained on"));
}

TEST_F(ExperimentVerb, ThePlanWritesTheKeptImagesAndTrainsNothing) {
  const auto run =
      medaug(experiment("segmentation", {"--plan", "--labelled", "6", "--output", "plan"}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("12 trainings"));
  std::istringstream kept(read_text(base() / "plan/labelled.jsonl"));
  std::int64_t lines = 0;
  for (std::string line; std::getline(kept, line); ++lines) {
    EXPECT_TRUE(fs::exists(Json::parse(line)["image_path"].get<std::string>()));
  }
  EXPECT_EQ(lines, 6);
  EXPECT_FALSE(fs::exists(base() / "plan/runs"));
}

TEST_F(ExperimentVerb, TheKeptImagesOfAClassifierKeepTheirMasks) {
  const auto run =
      medaug(experiment("classification", {"--plan", "--labelled", "4", "--output", "kept",
                                           "--generator-training", "real/train.jsonl"}));
  ASSERT_EQ(run.status, 0) << run.err;
  std::istringstream kept(read_text(base() / "kept/labelled.jsonl"));
  for (std::string line; std::getline(kept, line);) {
    EXPECT_TRUE(fs::exists(Json::parse(line)["mask_path"].get<std::string>())) << line;
  }
}

TEST_F(ExperimentVerb, TheLabelledImagesAreChosenBeforeThereAreSyntheticOnes) {
  const auto run = medaug({"experiment", "segmentation", "--real", "real/train.jsonl", "--val",
                           "real/val.jsonl", "--test", "real/test.jsonl", "--labelled", "6",
                           "--classes", "2", "--output", "chosen", "--plan"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err + run.out, HasSubstr("train a generator on these images"));
  // The same as with them.
  const auto planned =
      medaug(experiment("segmentation", {"--plan", "--labelled", "6", "--output", "planned"}));
  ASSERT_EQ(planned.status, 0) << planned.err;
  EXPECT_EQ(read_text(base() / "chosen/labelled.jsonl"),
            read_text(base() / "planned/labelled.jsonl"));
}

struct BadExperiment {
  const char* name;
  const char* task;
  std::vector<std::string> arguments;
  int status;
  std::vector<std::string> expected;  ///< all of them in the message
};
void PrintTo(const BadExperiment& bad, std::ostream* out) { *out << bad.name; }

class BadExperiments : public ExperimentVerb,
                       public ::testing::WithParamInterface<BadExperiment> {};

TEST_P(BadExperiments, AreNamedBeforeAnythingIsTrained) {
  write("maskless.jsonl",
        R"({"image_path": "real/images/fundus_00000.png", "caption": "x", "label": 0})"
        "\n");
  std::istringstream lines(read_text(base() / "made/manifest.jsonl"));
  std::string originals;
  for (std::string line; std::getline(lines, line);) {
    auto json = Json::parse(line);
    json["synthetic"] = false;
    originals += json.dump() + "\n";
  }
  write("made/originals.jsonl", originals);
  const auto& bad = GetParam();
  const auto run = medaug(experiment(bad.task, bad.arguments));
  EXPECT_EQ(run.status, bad.status) << run.out << run.err;
  for (const auto& part : bad.expected) {
    EXPECT_THAT(run.err, HasSubstr(part));
  }
  EXPECT_THAT(run.err, HasSubstr("\n  ")) << "no hint";
  EXPECT_FALSE(fs::exists(base() / "out"));
}

const BadExperiment kBad[] = {
    {"TestIsVal",
     "segmentation",
     {"--test", "real/val.jsonl"},
     4,
     {"real/val.jsonl:1", "the same picture"}},
    {"TestIsTrain", "segmentation", {"--test", "real/train.jsonl"}, 4, {"the same picture"}},
    {"SyntheticIsVal",
     "classification",
     {"--synthetic", "real/val.jsonl"},
     4,
     {"the same picture"}},
    {"SyntheticIsReal", "segmentation", {"--synthetic", "real/train.jsonl"}, 4, {"copies"}},
    {"SyntheticIsMarkedAsOriginal",
     "segmentation",
     {"--synthetic", "made/originals.jsonl"},
     4,
     {"made/originals.jsonl", "originals"}},
    {"GeneratorSawTheTestImages",
     "segmentation",
     {"--generator-training", "real/test.jsonl"},
     4,
     {"real/test.jsonl", "the same picture"}},
    {"MoreLabelledThanThereAre",
     "segmentation",
     {"--labelled", "4000"},
     2,
     {"--labelled", "there are"}},
    {"UnknownArm", "segmentation", {"--arms", "magic"}, 2, {"magic"}},
    {"NothingSynthetic", "segmentation", {"--synthetic", ""}, 2, {"--synthetic", "--plan"}},
    {"NoMasks", "segmentation", {"--synthetic", "maskless.jsonl"}, 4, {"maskless.jsonl", "mask"}},
    {"ManifestMissing", "segmentation", {"--val", "none.jsonl"}, 4, {"none.jsonl"}},
    {"UnknownSetting", "classification", {"--set", "classifier.stepz=1"}, 3, {"stepz", "steps"}},
};

INSTANTIATE_TEST_SUITE_P(Experiment, BadExperiments, ::testing::ValuesIn(kBad),
                         [](const auto& bad) { return std::string(bad.param.name); });

}  // namespace
}  // namespace medaug::test
