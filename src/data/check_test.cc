// SPDX-License-Identifier: MIT
#include "data/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/test_files.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;

std::string grey_png(int level, int height = 2) {
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += testing::bytes({0, level, level + 1});
  }
  return testing::png({.width = 2, .height = static_cast<std::uint32_t>(height), .rows = rows});
}

std::string line(const std::string& image, const std::string& more = "") {
  return R"({"image_path": ")" + image + R"(", "caption": "x")" + more + "}\n";
}

TEST(CheckData, ACleanSetHasNoProblems) {
  const TempFolder folder;
  folder.write("a.png", grey_png(10));
  folder.write("b.png", grey_png(20));
  folder.write("m.png", testing::png({.rows = testing::bytes({0, 0, 1, 0, 0, 0})}));
  const auto train = folder.write(
      "train.jsonl", line("a.png", R"(, "mask_path": "m.png", "label": 1, "group": "p1")"));
  const auto val = folder.write("val.jsonl", line("b.png", R"(, "label": 0, "group": "p2")"));
  const DataReport report = check_data({train, val});
  EXPECT_TRUE(report.ok()) << to_text(report);
  const ManifestReport& m = report.manifests.at(0);
  EXPECT_EQ(m.records, 1);
  EXPECT_EQ(m.labels.at(1), 1);
  EXPECT_EQ(m.kinds.at("grey 8-bit"), 1);
  EXPECT_EQ(m.classes.at("1").masks, 1);
  EXPECT_DOUBLE_EQ(m.classes.at("1").share_sum, 0.25);
  EXPECT_EQ(report.manifests.at(1).without_mask, 1);
}

TEST(CheckData, ListsEveryBadLineUpToTheLimitAndCountsTheRest) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 300; ++i) {
    lines += line("none" + std::to_string(i) + ".png");
  }
  const DataReport report = check_data({folder.write("a.jsonl", lines)});
  EXPECT_EQ(report.errors.count, 300);
  EXPECT_EQ(report.errors.listed.size(), 100U);
  EXPECT_THAT(report.errors.listed[41].where, HasSubstr("a.jsonl:42"));
  EXPECT_THAT(to_text(report), HasSubstr("and 200 more like these"));
}

TEST(CheckData, DamagedFilesAndWrongSizesAreErrors) {  // M53, M55
  const TempFolder folder;
  folder.write("a.png", grey_png(10));
  folder.write("bad.png", "this is text");
  folder.write("tall.png", grey_png(0, 3));
  const DataReport report = check_data(
      {folder.write("a.jsonl", line("bad.png") + line("a.png", R"(, "mask_path": "tall.png")"))});
  EXPECT_EQ(report.errors.count, 2);
  EXPECT_THAT(to_text(report), HasSubstr("a text file"));
  EXPECT_THAT(to_text(report), HasSubstr("tall.png is 2 x 3 but image"));
}

TEST(CheckData, LeaksBetweenSplitsAreErrorsWithinOneWarnings) {  // M56, M57, M58
  const TempFolder folder;
  folder.write("a.png", grey_png(10));
  folder.write("copy.png", grey_png(10));
  folder.write("b.png", grey_png(20));
  const auto train = folder.write(
      "train.jsonl", line("a.png", R"(, "group": "p1")") + line("a.png") + line("b.png"));
  const auto val =
      folder.write("val.jsonl", line("copy.png", R"(, "group": "p1")") + line("b.png"));
  const DataReport report = check_data({train, val});
  EXPECT_EQ(report.errors.count, 3);
  EXPECT_EQ(report.warnings.count, 1);
  const std::string text = to_text(report);
  EXPECT_THAT(text, HasSubstr("val.jsonl:1: the same pixels as at"));
  EXPECT_THAT(text, HasSubstr("val.jsonl:2: the same image as at"));
  EXPECT_THAT(text, HasSubstr("group 'p1' stands also in"));
}

TEST(CheckData, WarnsOfInvertedFlatAndFadingThings) {  // K14, K16, K20, I59
  const TempFolder folder;
  folder.write("flat.png", testing::png({.rows = testing::bytes({0, 9, 9, 0, 9, 9})}));
  folder.write("inv.png", testing::png({.rows = testing::bytes({0, 1, 1, 0, 1, 1})}));
  std::string dot_rows;
  for (int y = 0; y < 256; ++y) {
    std::string row(257, '\0');
    row[129] = y == 128 ? '\1' : '\0';
    dot_rows += row;
  }
  folder.write("dot.png", testing::png({.width = 256, .height = 256, .rows = dot_rows}));
  dot_rows[700] = '\7';
  folder.write("big.png", testing::png({.width = 256, .height = 256, .rows = dot_rows}));
  const DataReport report =
      check_data({folder.write("a.jsonl", line("flat.png", R"(, "mask_path": "inv.png")") +
                                              line("big.png", R"(, "mask_path": "dot.png")"))});
  EXPECT_TRUE(report.ok()) << to_text(report);
  const std::string text = to_text(report);
  EXPECT_THAT(text, HasSubstr("one flat level"));
  EXPECT_THAT(text, HasSubstr("may be inverted"));
  EXPECT_THAT(text, HasSubstr("class 1 fades out at model size"));
}

TEST(CheckData, SoftMasksAndUndeclaredLabelsAreErrors) {  // K11, K18, K29
  const TempFolder folder;
  std::string rows;
  for (int y = 0; y < 16; ++y) {
    rows += '\0';
    for (int x = 0; x < 16; ++x) {
      rows += static_cast<char>(16 * y + x);
    }
  }
  folder.write("soft.png", testing::png({.width = 16, .height = 16, .rows = rows}));
  folder.write("a.png",
               testing::png({.width = 16, .height = 16, .rows = std::string(17 * 16, '\0')}));
  folder.write("b.png", grey_png(3));
  folder.write("m9.png", testing::png({.rows = testing::bytes({0, 9, 0, 0, 0, 0})}));
  const auto path = folder.write("a.jsonl", line("a.png", R"(, "mask_path": "soft.png")") +
                                                line("b.png", R"(, "mask_path": "m9.png")"));
  EXPECT_THAT(to_text(check_data({path})), HasSubstr("holds 255 different levels"));
  CheckOptions strict;
  strict.infer_classes = false;
  EXPECT_THAT(to_text(check_data({path}, strict)), HasSubstr("mask label 9 at row 0, column 0"));
}

TEST(CheckData, TextIsSafeToPrintAndJsonIsComplete) {  // M48, M50
  const TempFolder folder;
  folder.write("a.png", grey_png(10));
  const auto path = folder.write("a.jsonl", line("a.png", R"(, "label": "\u001b[31m")"));
  const DataReport report = check_data({path});
  EXPECT_THAT(to_text(report), Not(HasSubstr("\x1B")));
  const auto json = to_json(report);
  EXPECT_FALSE(json["ok"].get<bool>());
  EXPECT_EQ(json["errors"]["count"], 1);
  EXPECT_EQ(json["manifests"][0]["bad"], 1);
}

}  // namespace
}  // namespace medaug
