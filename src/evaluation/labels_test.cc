// SPDX-License-Identifier: MIT
#include "evaluation/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempFolder;

using Found = std::vector<std::int64_t>;

LabelMap skin() {
  return {{{"nevus", {"nevus", "mole"}},
           {"keratosis", {"seborrheic  keratosis"}},
           {"黑色素瘤", {"melanoma", "黑色素瘤"}}},
          "map"};
}

std::string what_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.what();
  }
  return "no error";
}

TEST(LabelMap, FindsWholeWordsInAnyCase) {
  EXPECT_EQ(skin().classes_in("A Melanocytic NEVUS."), Found{0});
  EXPECT_EQ(skin().classes_in("nevus"), Found{0});
  EXPECT_EQ(skin().classes_in("(mole)"), Found{0});
  EXPECT_EQ(skin().classes_in("a molehill, a nevuslike spot, the tremole"), Found{});
  EXPECT_EQ(skin().classes_in("molehill or mole"), Found{0});
  EXPECT_EQ(skin().classes_in("m\u00f4le nevus\u00e9"), Found{}) << "a letter follows";
}

TEST(LabelMap, FindsPhrasesAndScriptsWithoutSpaces) {
  EXPECT_EQ(skin().classes_in("Seborrheic\tkeratosis, pale"), Found{1});
  EXPECT_EQ(skin().classes_in("keratosis"), Found{});
  EXPECT_EQ(skin().classes_in("皮肤镜图像：黑色素瘤，位于左侧"), Found{2});
  EXPECT_EQ(skin().classes_in("一个nevus的图像"), Found{0});
}

TEST(LabelMap, NamesEveryClassThatIsSaid) {
  EXPECT_EQ(skin().classes_in("a melanoma beside a nevus"), (Found{0, 2}));
}

TEST(LabelMap, RefusesWhatIsNoMap) {
  const TempFolder folder;
  const auto error = [&](const char* text) {
    return what_of([&] { LabelMap::load(folder.write("map.json", text)); });
  };
  EXPECT_THAT(error("[1]"), HasSubstr("no label map"));
  EXPECT_THAT(error(R"({"a": ["x"]})"), HasSubstr("at least two classes"));
  EXPECT_THAT(error(R"({"a": ["x"], "b": "y"})"), HasSubstr("'b' must be a list of words"));
  EXPECT_THAT(error(R"({"a": ["x"], "b": [1]})"), HasSubstr("'b' must be a list of words"));
  EXPECT_THAT(error(R"({"a": ["x"], "b": []})"), HasSubstr("'b' has no words"));
  EXPECT_THAT(error(R"({"a": ["x"], "b": [" "]})"), HasSubstr("'b' has an empty word"));
  EXPECT_THAT(error(R"({"a": ["x", "Y"], "b": ["y"]})"),
              HasSubstr("'y' stands for two classes, 'a' and 'b'"));
  EXPECT_THAT(error(R"({"a": ["x"], "b": ["y"])"), HasSubstr("map.json"));
  EXPECT_THAT(what_of([&] { LabelMap::load(folder.path() / "none.json"); }),
              HasSubstr("none.json"));
}

/// A manifest of these captions and labels (none: -1), all of one picture.
std::filesystem::path manifest(const TempFolder& folder,
                               const std::vector<std::pair<std::string, int>>& records) {
  write_png(folder.path() / "a.png", {testing::levels(1, 2, 2, {1, 2, 3, 4}), 8});
  std::string lines;
  for (const auto& [caption, label] : records) {
    lines += R"({"image_path": "a.png", "caption": ")" + caption + "\"" +
             (label < 0 ? "" : ", \"label\": " + std::to_string(label)) + "}\n";
  }
  return folder.write("set.jsonl", lines);
}

TEST(ReadLabelled, TakesLabelsAndFindsTheClasses) {
  const TempFolder folder;
  const auto read = read_labelled(manifest(folder, {{"x", 7}, {"y", 2}, {"z", 7}}), {}, {});
  EXPECT_EQ(read.labels, (Found{7, 2, 7}));
  const auto classes = classes_of(read);
  EXPECT_EQ(classes.names, (std::vector<std::string>{"2", "7"}));
  EXPECT_EQ(class_indices(read, classes), (Found{1, 0, 1}));
}

TEST(ReadLabelled, AMapComesBeforeLabels) {
  const TempFolder folder;
  LabelOptions options;
  options.map = skin();
  const auto read = read_labelled(manifest(folder, {{"melanoma", 0}, {"mole", 0}}), {}, options);
  EXPECT_EQ(read.labels, (Found{2, 0}));
  EXPECT_EQ(classes_of(read).names, (std::vector<std::string>{"nevus", "黑色素瘤"}));
}

TEST(ReadLabelled, NamesTheFirstRecordWithoutAClassAndCountsTheRest) {
  const TempFolder folder;
  const auto file = manifest(folder, {{"x", 1}, {"y", -1}, {"z", -1}, {"z", 0}});
  EXPECT_THAT(what_of([&] { read_labelled(file, {}, {}); }),
              AllOf(HasSubstr("set.jsonl:2"), HasSubstr("has no 'label' (and 1 more"),
                    HasSubstr("--label-map")));
  LabelOptions options;
  options.map = skin();
  EXPECT_THAT(what_of([&] { read_labelled(file, {}, options); }),
              AllOf(HasSubstr("set.jsonl:1"), HasSubstr("no word of the label map: 'x' (and 3")));
  options.skip_unlabelled = true;
  EXPECT_THAT(what_of([&] { read_labelled(file, {}, options); }), HasSubstr("set.jsonl:1"))
      << "nothing is left";
  const auto both = manifest(folder, {{"a mole or melanoma", 1}});
  options.skip_unlabelled = false;
  EXPECT_THAT(what_of([&] { read_labelled(both, {}, options); }),
              HasSubstr("several classes (nevus, 黑色素瘤): 'a mole or melanoma'"));
}

TEST(ReadLabelled, SkipsAndCountsWhenAsked) {
  const TempFolder folder;
  LabelOptions options;
  options.skip_unlabelled = true;
  const auto read = read_labelled(manifest(folder, {{"x", 1}, {"y", -1}, {"z", 0}}), {}, options);
  EXPECT_EQ(read.labels, (Found{1, 0}));
  EXPECT_EQ(read.skipped, 1);
  EXPECT_EQ(read.manifest.records.back().line, 3);
}

TEST(ClassList, RefusesOneClassAndClassesThatTrainingLacks) {
  const TempFolder folder;
  const auto one = read_labelled(manifest(folder, {{"x", 1}, {"y", 1}}), {}, {});
  EXPECT_THAT(what_of([&] { classes_of(one); }), HasSubstr("all 2 images are of one class, 1"));
  const auto train = read_labelled(manifest(folder, {{"x", 1}, {"y", 0}}), {}, {});
  const auto val = read_labelled(manifest(folder, {{"x", 1}, {"y", 3}}), {}, {});
  EXPECT_THAT(
      what_of([&] { class_indices(val, classes_of(train)); }),
      AllOf(HasSubstr("set.jsonl:2"), HasSubstr("class '3' does not occur"), HasSubstr("(0, 1)")));
}

}  // namespace
}  // namespace medaug
