// SPDX-License-Identifier: MIT
#include "evaluation/report.h"

#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "evaluation/figures.h"
#include "evaluation/image_table.h"
#include "evaluation/report_assets.h"
#include "evaluation/report_csv.h"
#include "evaluation/report_html.h"
#include "evaluation/sections.h"
#include "evaluation/summary_text.h"
#include "image/image.h"
#include "image/test_files.h"
#include "models/unet.h"

namespace medaug {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// --- an evaluation to look at

Json summary(double mean) {
  return {{"n", 4},
          {"mean", mean},
          {"std", 0.0456},
          {"median", mean},
          {"min", mean - 0.1},
          {"max", mean + 0.1},
          {"ci95", {mean - 0.02, mean + 0.02}}};
}

Json banded(double mean, const char* band) {
  auto out = summary(mean);
  out["band"] = band;
  return out;
}

Json dice_table(double mean) {
  auto out = summary(mean);
  out["per_class"] = {{"glioma", summary(mean)}, {"meningioma", summary(mean - 0.05)}};
  out["per_size"] = {{"small", summary(mean - 0.2)},
                     {"medium", summary(mean)},
                     {"large", summary(mean + 0.05)},
                     {"area_limits", {0.0105, 0.0312}}};
  return out;
}

Json features(double kid) {
  return {{"generated_images", 80},
          {"real_images", 90},
          {"fid", 12.345678},
          {"fid_infinity", {{"value", 9.5}, {"se", 0.25}}},
          {"kid", {{"value", kid}, {"se", 0.00123}}},
          {"precision", 0.8125},
          {"recall", nullptr},
          {"density", 1.0625},
          {"coverage", 0.75}};
}

Json image(const std::string& name, double dice) {
  return {{"name", name},
          {"generated", "/nowhere/" + name + ".png"},
          {"psnr", 31.4159265358979},
          {"ssim", nullptr},
          {"mean_dice", dice}};
}

/// Every part that has a place of its own, and one that has none.
Json whole_evaluation() {
  Json e = {{"format", "medaug-evaluation-1"},
            {"generated", {{"path", "out/images"}, {"images", 6}}},
            {"reference", {{"path", "data/val.jsonl"}, {"images", 6}}},
            {"training", {{"path", "data/train.jsonl"}, {"images", 9}}},
            {"count", 4}};
  e["skipped"] = {{"n", 3},
                  {"items",
                   {{{"name", "a"}, {"reason", "no reference of this name"}},
                    {{"name", "b"}, {"reason", "no reference of this name"}},
                    {{"name", "c"}, {"reason", "images/c.png: the picture is cut off"}}}}};
  e["image_quality"] = {{"psnr", banded(32.4512, "good")}, {"ssim", banded(0.8923, "good")},
                        {"ms_ssim", summary(0.91)},        {"mae", summary(12.34)},
                        {"mse", summary(234.5678)},        {"identical", 1}};
  e["structure"] = {{"dice", banded(0.61, "acceptable")},
                    {"iou", banded(0.45, "acceptable")},
                    {"hd95_pixels", summary(7.5)},
                    {"method", "colour heuristic"},
                    {"rule", "brightness"}};
  e["agreement"] = {{"generated", dice_table(0.7845)},
                    {"null", dice_table(0.2123)},
                    {"ceiling", dice_table(0.8012)},
                    {"over_ceiling", 0.97916},
                    {"null_over_ceiling", 0.26498},
                    {"outlines", {{"dice", banded(0.79, "good")}, {"hd95_mm", summary(3.25)}}},
                    {"segmenter", {{"sha256", "abcdef"}, {"training", {{"steps", 1500}}}}}};
  e["distribution"] = {
      {"images", {{"generated", 80}, {"reference", 90}, {"training", nullptr}}},
      {"floor", "random halves of the reference"},
      {"spaces",
       {{{"name", "radiomics"},
         {"sha256", "no weights"},
         {"dimensions", 40},
         {"generated", features(0.01234)},
         {"floor", features(-0.00045)}}}},
      {"appearance",
       {{"patch", 4},
        {"generated", {{"sharpness", 0.011}, {"seam_ratio", nullptr}, {"spread", 0.3}}},
        {"reference", {{"sharpness", 0.012}, {"seam_ratio", 1.1}, {"spread", 0.31}}},
        {"ratio", {{"sharpness", 0.9167}, {"seam_ratio", nullptr}, {"spread", 0.9677}}},
        {"distance", {{"spectrum_distance", 0.21}, {"histogram_distance", 4.5}}},
        {"floor", {{"spectrum_distance", 0.05}, {"histogram_distance", 1.5}}}}}};
  e["copies"] = {{"threshold", 0.8},
                 {"flagged", 1},
                 {"share", 0.0125},
                 {"share_ci95", {0.0, 0.0375}},
                 {"authpct", 97.5}};
  e["experiment"] = {{"arms",
                      {{"real", {{"accuracy", summary(0.7234)}}},
                       {"real + synthetic", {{"accuracy", summary(0.7456)}}}}},
                     {"verdict", "inside the noise"}};
  e["something_later"] = {{"answer", 42}, {"inner", {{"word", "yes"}}}};
  e["images"] = {image("one", 0.9), image("two", 0.5), image("three", 0.7), image("four", 0.3)};
  e["provenance"] = {{"command", "medaug evaluate --generated out --reference data"},
                     {"seed", 7},
                     {"commit", "0123abc"},
                     {"options", {{"seed", 7}, {"patch", 4}}}};
  return e;
}

Json least_evaluation() {
  return {{"format", "medaug-evaluation-1"}, {"count", 0}, {"skipped", nullptr}};
}

std::string report_of(const Json& evaluation, const ReportOptions& options = {}) {
  const testing::TempFolder folder;
  write_report(evaluation, folder.path() / "report.html", options);
  return read_file(folder.path() / "report.html", 64LL << 20, ErrorCode::kData);
}

std::string csv_of(const Json& evaluation) {
  const testing::TempFolder folder;
  write_csv(evaluation, folder.path() / "images.csv");
  return read_file(folder.path() / "images.csv", 64LL << 20, ErrorCode::kData);
}

std::string summary_csv_of(const Json& evaluation) {
  const testing::TempFolder folder;
  write_summary_csv(evaluation, folder.path() / "summary.csv");
  return read_file(folder.path() / "summary.csv", 64LL << 20, ErrorCode::kData);
}

std::size_t times(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

/// The JSON that the page's script reads.
Json data_of(const std::string& page) {
  const std::string begin = "id=\"data\">";
  const auto from = page.find(begin) + begin.size();
  return Json::parse(page.substr(from, page.find("</script>", from) - from));
}

/// What stands outside of scripts and styles.
std::string markup_of(const std::string& page) {
  std::string out;
  std::size_t at = 0;
  while (at < page.size()) {
    const auto script = page.find("<script", at), style = page.find("<style", at);
    const auto next = std::min(script, style);
    out += page.substr(at, next - at);
    if (next == std::string::npos) {
      break;
    }
    const std::string end = next == script ? "</script>" : "</style>";
    at = page.find(end, next) + end.size();
  }
  return out;
}

// --- texts and figures

TEST(Texts, EveryKeyOccursOnceAndHasBothLanguages) {
  std::set<std::string> keys;
  for (const auto& text : all_texts()) {
    EXPECT_TRUE(keys.insert(std::string(text.key)).second) << text.key;
    EXPECT_FALSE(text.en.empty()) << text.key;
    EXPECT_FALSE(text.zh.empty()) << text.key;
  }
}

TEST(Texts, EveryKeyThatThePageUsesIsThere) {
  const auto page = report_of(whole_evaluation());
  const std::regex key(R"re((?:data-t|data-alt|data-label)="([^"]*)")re");
  std::size_t found = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), key), end; it != end; ++it, ++found) {
    EXPECT_TRUE(has_text((*it)[1].str())) << (*it)[1].str();
  }
  EXPECT_GT(found, 100U);
  const std::string script(report_assets::script());
  const std::regex said(R"re("((?:page|value)\.[a-z_.]+)")re");
  for (std::sregex_iterator it(script.begin(), script.end(), said), end; it != end; ++it) {
    EXPECT_TRUE(has_text((*it)[1].str())) << (*it)[1].str();
  }
}

TEST(Figure, HasTheDigitsOfItsMeasure) {
  EXPECT_EQ(figure(32.4512, "psnr"), "32.45");
  EXPECT_EQ(figure(0.8923456, "ssim"), "0.8923");
  EXPECT_EQ(figure(0.8923456, "colour_dice"), "0.8923");
  EXPECT_EQ(figure(0.5, "dice_glioma"), "0.5000");
  EXPECT_EQ(figure(1.00849, ""), "1.008");
  EXPECT_EQ(figure(123456.7, "mse"), "123457");
}

TEST(Figure, KeepsTwoDigitsOfWhatIsSmall) {
  EXPECT_EQ(figure(0.0123, "mae"), "0.012");
  EXPECT_EQ(figure(0.000123, "dice"), "0.00012");
  EXPECT_EQ(figure(0.0, "dice"), "0.0000");
  EXPECT_EQ(figure(-0.00045, "kid"), "-0.00045");
}

TEST(Figure, WritesADashForWhatIsNotThere) {
  EXPECT_EQ(figure(Json(nullptr)), "–");
  EXPECT_EQ(figure(Json({1.5, nullptr})), "[1.5, –]");
  EXPECT_EQ(figure(Json({{"value", nullptr}, {"se", 2.0}})), "– ± 2");
  EXPECT_EQ(figure(Json({nullptr, nullptr})), "–");
  EXPECT_EQ(figure(std::nan("")), "–");
}

// --- the console

TEST(SummaryText, SaysWhatTheOriginalSaidAndTheIntervals) {
  const auto text = summary_text(whole_evaluation(), Language::kEnglish);
  EXPECT_THAT(text, StartsWith(std::string(70, '=') + "\nEVALUATION SUMMARY\n"));
  EXPECT_THAT(text, HasSubstr("Number of images: 4\n"));
  EXPECT_THAT(text, HasSubstr("PSNR (dB): 32.45 ± 0.046 (good)\n  Range: [32.35, 32.55]"));
  EXPECT_THAT(text, HasSubstr("95 % interval: [32.43, 32.47]  n = 4\n"));
  EXPECT_THAT(text, HasSubstr("Kernel distance (KID) ± se"));
  EXPECT_THAT(text, HasSubstr("0.01234 ± 0.0012"));
  EXPECT_THAT(text, HasSubstr("inside the noise"));
  EXPECT_THAT(text, HasSubstr("answer: 42"));
}

TEST(SummaryText, GroupsWhatWasSkippedByItsReason) {
  const auto reasons = skipped_reasons(whole_evaluation());
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_EQ(reasons[0].reason, "no reference of this name");
  EXPECT_THAT(reasons[0].names, ElementsAre("a", "b"));
  EXPECT_EQ(reasons[1].reason, "the picture is cut off");
}

TEST(SummaryText, SpeaksChinese) {
  const auto text = summary_text(whole_evaluation(), Language::kChinese);
  EXPECT_THAT(text, HasSubstr("【图像质量指标】\nPSNR(dB): 32.45 ± 0.046 (良好)\n"));
  EXPECT_THAT(text, Not(HasSubstr("Number of images")));
}

TEST(SummaryText, ColumnsOfChineseTablesLineUp) {
  const auto text = summary_text(whole_evaluation(), Language::kChinese);
  EXPECT_THAT(text, HasSubstr("  原因                       数量  例如\n"
                              "  no reference of this name  2     a, b\n"));
}

TEST(SummaryText, EscapesWhatMovesTheTerminal) {
  auto evaluation = least_evaluation();
  evaluation["generated"] = {{"path", "a\x1b[2Jb"}, {"images", 1}};
  EXPECT_THAT(summary_text(evaluation, Language::kEnglish), HasSubstr("a\\x1b[2Jb"));
}

TEST(Sections, AnyPartMayBeAbsent) {
  const auto whole = whole_evaluation();
  for (const auto& [key, value] : whole.items()) {
    auto without = whole;
    without.erase(key);
    EXPECT_NO_THROW(summary_text(without, Language::kEnglish)) << key;
    EXPECT_NO_THROW(report_of(without)) << key;
    EXPECT_NO_THROW(summary_csv_of(without)) << key;
    EXPECT_NO_THROW(csv_of(without)) << key;
  }
  for (const auto& none : {Json::object(), least_evaluation()}) {
    EXPECT_THAT(summary_text(none, Language::kEnglish), StartsWith("==="));
    EXPECT_THAT(report_of(none), HasSubstr("</html>"));
  }
}

/// Every number, list and word of the value replaced by `by`, one at a time.
void replace_each(Json& value, const Json& by, const std::function<void()>& check) {
  for (auto& [key, inner] : value.items()) {
    auto kept = inner;
    inner = by;
    check();
    inner = std::move(kept);
    if (inner.is_structured()) {
      replace_each(inner, by, check);
    }
  }
}

TEST(Sections, AnyValueMayBeNullOrOfAnotherKind) {
  auto whole = whole_evaluation();
  for (const auto& by : {Json(nullptr), Json("word"), Json::array({Json::object()})}) {
    replace_each(whole, by, [&] {
      ASSERT_NO_THROW({
        summary_text(whole, Language::kEnglish);
        summary_csv_of(whole);
      }) << whole.dump();
    });
  }
}

TEST(Sections, EveryPartIsInTheReport) {
  const auto page = report_of(whole_evaluation());
  for (const auto* const id :
       {"overview", "image_quality", "structure", "agreement", "distribution", "copies",
        "experiment", "histograms", "worst", "best", "images", "skipped", "provenance"}) {
    EXPECT_EQ(times(page, "<section id=\"" + std::string(id) + "\""), 1U) << id;
    EXPECT_EQ(times(page, "<li><a href=\"#" + std::string(id) + "\">"), 1U) << id;
  }
  EXPECT_THAT(page, AllOf(HasSubstr("something later"), HasSubstr("0.7845 [0.7645, 0.8045]")));
}

// --- the report

TEST(Report, SummaryTablesNeedNoScript) {
  const auto markup = markup_of(report_of(whole_evaluation()));
  for (const auto* const number : {"32.45 ± 0.046", "[32.43, 32.47]", "0.01234 ± 0.0012", "0.9792",
                                   "0.0125", "42", "medaug evaluate --generated out"}) {
    EXPECT_THAT(markup, HasSubstr(number));
  }
  EXPECT_THAT(markup, HasSubstr("data-t=\"band.good\">good<"));
  const auto chinese = markup_of(report_of(whole_evaluation(), {.language = Language::kChinese}));
  EXPECT_THAT(chinese,
              AllOf(HasSubstr("data-t=\"band.good\">良好<"), HasSubstr("lang=\"zh-Hans\"")));
}

TEST(Report, AsksTheNetworkForNothing) {
  const auto page = report_of(whole_evaluation());
  const std::regex fetched(
      R"re((?:src|href|srcset|action|poster|data)\s*=\s*["']?(?:https?:)?//)re");
  EXPECT_FALSE(std::regex_search(markup_of(page), fetched));
  const std::string style(report_assets::style());
  EXPECT_THAT(style, AllOf(Not(HasSubstr("url(")), Not(HasSubstr("@import"))));
  EXPECT_THAT(std::string(report_assets::script()),
              AllOf(Not(HasSubstr("http")), Not(HasSubstr("fetch(")), Not(HasSubstr("innerHTML")),
                    Not(HasSubstr("XMLHttpRequest")), Not(HasSubstr("eval("))));
  EXPECT_THAT(page, HasSubstr("content=\"default-src 'none'; img-src data:; style-src 'sha256-"));
}

TEST(Report, PolicyAllowsOnlyItsOwnScripts) {
  EXPECT_THAT(report_of(least_evaluation()), Not(HasSubstr("unsafe-inline")));
  // A script whose bytes end an element early could not have the hash of the whole.
  for (const auto part : {report_assets::chart(), report_assets::script()}) {
    EXPECT_EQ(std::string(part).find("</script"), std::string::npos);
    EXPECT_EQ(std::string(part).find("<!--"), std::string::npos);
  }
}

TEST(Report, HostileNamesStayText) {
  const std::string hostile =
      "</script><script>alert(1)</script>\"'&\xE2\x80\xAE"
      "gnp.exe";
  auto evaluation = whole_evaluation();
  evaluation["images"] = {image(hostile, 0.5), image("{{sections}}", 0.6)};
  evaluation["generated"]["path"] = hostile;
  evaluation["agreement"]["generated"]["per_class"][hostile] = summary(0.5);
  evaluation["skipped"]["items"].push_back({{"name", hostile}, {"reason", hostile}});
  evaluation[hostile] = {{hostile, hostile}};
  const auto page = report_of(evaluation);
  EXPECT_EQ(times(page, "<script"), 3U);
  EXPECT_EQ(times(page, "</script"), 3U);
  EXPECT_EQ(times(page, "alert(1)<"), 0U);
  EXPECT_EQ(times(page, "\xE2\x80\xAE"), 0U) << "a right-to-left override is shown, not obeyed";
  EXPECT_THAT(markup_of(page), HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("{{sections}}"));
  EXPECT_EQ(data_of(page)["table"]["rows"][0][0],
            "</script><script>alert(1)</script>\"'&\\xe2\\x80\\xaegnp.exe");
}

TEST(Report, BrokenUtf8DoesNotStopIt) {
  auto evaluation = whole_evaluation();
  evaluation["images"] = {image("a\xFF", 0.5)};
  EXPECT_EQ(data_of(report_of(evaluation))["table"]["rows"][0][0], "a\\xff");
}

TEST(Report, RowsHoldTheFiguresOfTheConsole) {
  const auto table = data_of(report_of(whole_evaluation()))["table"];
  ASSERT_EQ(table["columns"].size(), 4U);  // name, psnr, ssim, mean_dice; no paths
  EXPECT_EQ(table["rows"][0], Json({"one", "31.42", nullptr, "0.9000"}));
  EXPECT_EQ(table["columns"][1]["numeric"], true);
  EXPECT_EQ(table["columns"][0]["numeric"], false);
}

TEST(Report, ChartsHoldCeilingAndNullBesideTheGenerated) {
  const auto charts = data_of(report_of(whole_evaluation()))["charts"];
  ASSERT_EQ(charts.size(), 3U);  // classes, sizes, arms
  ASSERT_EQ(charts[0]["series"].size(), 3U);
  EXPECT_EQ(charts[0]["series"][0]["values"], Json({0.7845, 0.7845 - 0.05}));
  EXPECT_EQ(charts[0]["series"][1]["name"][0]["key"], "short.ceiling");
  EXPECT_EQ(charts[2]["series"][0]["shown"][0], "0.7234 [0.7034, 0.7434]");
}

/// An evaluation of images that exist.
Json with_pictures(const testing::TempFolder& folder, int count, std::int64_t side) {
  auto evaluation = whole_evaluation();
  evaluation["images"] = Json::array();
  for (int i = 0; i < count; ++i) {
    const auto path = [&](const char* kind) {
      return folder.path() / (kind + std::to_string(i % 30) + ".png");
    };
    if (i < 30) {
      for (const auto* const kind : {"generated", "reference", "nearest"}) {
        write_png(path(kind), {at::randint(0, 256, {3, side, side}, at::kByte), 8});
      }
      auto mask = at::full({1, side, side}, 0, at::kByte);
      mask.slice(1, side / 4, side / 2).slice(2, side / 4, side / 2).fill_(255);
      write_png(path("mask"), {mask, 8});
    }
    auto row = image("image " + std::to_string(i), 0.001 * i);
    for (const auto* const measure : {"ms_ssim", "mae", "mse", "dice", "iou", "hd95_pixels",
                                      "assd_pixels", "mask_share", "copy_score"}) {
      row[measure] = 0.123456789 * i;
    }
    row["generated"] = path("generated").string();
    row["reference"] = path("reference").string();
    row["mask"] = path("mask").string();
    row["nearest_training"] = path("nearest").string();
    row["copy_flag"] = i < 28;
    evaluation["images"].push_back(row);
  }
  return evaluation;
}

TEST(Report, ShowsEachOfTheChosenImagesWithWhatBelongsToIt) {
  const testing::TempFolder folder;
  const auto page = report_of(with_pictures(folder, 25, 32));
  EXPECT_EQ(times(page, "<article>"), 30U);  // ten worst, ten best, ten suspects
  for (const auto* const kind : {"picture.generated", "picture.reference", "picture.mask",
                                 "picture.difference", "picture.nearest"}) {
    EXPECT_EQ(times(page, "data-alt=\"" + std::string(kind) + "\""), 30U) << kind;
  }
}

TEST(Report, DrawsAColourRuleOnlyWhereNoSegmenterWasAsked) {
  const testing::TempFolder folder;
  auto evaluation = with_pictures(folder, 2, 32);
  EXPECT_EQ(times(report_of(evaluation), "data-alt=\"picture.coloured\""), 0U);
  evaluation.erase("agreement");
  EXPECT_EQ(times(report_of(evaluation), "data-alt=\"picture.coloured\""), 4U);
}

TEST(Report, DrawsWhatTheSegmenterFinds) {
  const testing::TempFolder folder;
  const UNetOptions net{.in_channels = 3, .classes = 1, .width = 4, .levels = 2};
  PreprocessOptions preprocess;
  preprocess.image_size = 16;
  preprocess.channels = 3;
  const Segmenter untrained({net, preprocess, {}}, std::make_shared<UNet>(net, 1));
  const auto page = report_of(with_pictures(folder, 2, 32), {.segmenter = &untrained});
  EXPECT_EQ(times(page, "data-alt=\"picture.predicted\" width=\"16\" height=\"16\""), 4U);
  EXPECT_EQ(times(page, "data-alt=\"picture.mask\" width=\"16\" height=\"16\""), 4U);
}

TEST(Report, AThousandImagesOfNoiseStayUnderEightMegabytes) {
  const testing::TempFolder folder;
  const auto page = report_of(with_pictures(folder, 1000, 300));
  EXPECT_LT(page.size(), 8'000'000U);
  EXPECT_EQ(data_of(page)["table"]["rows"].size(), 1000U);
  EXPECT_EQ(times(page, "<img "), 150U);
}

TEST(Report, PicturesThatHaveGoneAreLeftOut) {
  const auto page = report_of(whole_evaluation());
  EXPECT_EQ(times(page, "<article>"), 4U);
  EXPECT_EQ(times(page, "<img "), 0U);
}

TEST(Report, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(write_report(least_evaluation(), "/nowhere/at/all/report.html"), Error);
}

// --- the single images

TEST(ImageTable, TheWorstAndTheBestDoNotOverlap) {
  Json rows = Json::array();
  for (const double dice : {0.5, 0.1, 0.9, 0.3, 0.7}) {
    rows.push_back(image("x", dice));
  }
  rows.push_back({{"name", "without"}});
  const auto ends = extremes(rows, ranking_measure(rows), 10);
  EXPECT_THAT(ends.worst, ElementsAre(1U, 3U, 0U));
  EXPECT_THAT(ends.best, ElementsAre(2U, 4U));
  EXPECT_THAT(extremes(rows, "mean_dice", 1).best, ElementsAre(2U));
}

TEST(ImageTable, RanksByTheBestMeasureThatIsThere) {
  const Json both = {{{"psnr", 1.0}, {"ssim", nullptr}}, {{"ssim", 0.5}}};
  EXPECT_EQ(ranking_measure(both), "ssim");
  EXPECT_EQ(ranking_measure(Json::array({{{"psnr", 1.0}}})), "psnr");
  EXPECT_EQ(ranking_measure(Json::array()), "");
}

// --- CSV

TEST(Csv, HasOneColumnForEachValueOfAnyImageInFull) {
  Json e;
  e["images"] = {{{"name", "a"}, {"psnr", 31.4159265358979}}, {{"name", "b"}, {"dice", nullptr}}};
  EXPECT_EQ(csv_of(e), "name,psnr,dice\r\na,31.4159265358979,\r\nb,,\r\n");
}

TEST(Csv, QuotesAndKeepsFormulasFromRunning) {
  Json e;
  e["images"] = Json::array();
  for (const auto* const name :
       {"a,b", "say \"x\"", "two\r\nlines", "=1+1", "+1", "-1", "@x", "\tx", "中文"}) {
    e["images"].push_back({{"name", name}, {"=sum", -1.5}});
  }
  EXPECT_EQ(csv_of(e),
            "name,'=sum\r\n\"a,b\",-1.5\r\n\"say \"\"x\"\"\",-1.5\r\n\"two\r\nlines\",-1.5\r\n"
            "'=1+1,-1.5\r\n'+1,-1.5\r\n'-1,-1.5\r\n'@x,-1.5\r\n'\tx,-1.5\r\n中文,-1.5\r\n");
}

TEST(Csv, SummaryHasALineForEachStatistic) {
  const auto text = summary_csv_of(whole_evaluation());
  EXPECT_THAT(text, StartsWith("part,measure,statistic,value\r\nformat,,,medaug-evaluation-1\r\n"));
  EXPECT_THAT(text, HasSubstr("image_quality,psnr,mean,32.4512\r\n"));
  EXPECT_THAT(text, HasSubstr("image_quality,psnr.ci95,2,32.4712"));
  EXPECT_THAT(text, HasSubstr("agreement,ceiling.per_class.glioma,mean,0.8012\r\n"));
  EXPECT_THAT(text, HasSubstr("distribution,spaces.radiomics.floor.kid,value,-0.00045\r\n"));
  EXPECT_THAT(text, HasSubstr("distribution,spaces.radiomics.generated,recall,\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("31.4159")));
}

TEST(Csv, NumbersAreThoseOfTheJson) {
  const Json e = {{"copies", {{"share", 0.1 + 0.2}}}};
  EXPECT_THAT(summary_csv_of(e), HasSubstr("copies,,share," + Json(0.1 + 0.2).dump() + "\r\n"));
}

}  // namespace
}  // namespace medaug
