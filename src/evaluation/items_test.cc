// SPDX-License-Identifier: MIT
#include "evaluation/items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/fields.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Fields = std::map<std::string, Json>;  ///< of one record

/// Only names are looked at here: the files hold no pictures.
class Items : public test::FolderTest {
 protected:
  void touch(const std::vector<std::string>& names) const {
    for (const auto& name : names) {
      fs::create_directories((folder_ / name).parent_path());
      write(name, "x");
    }
  }

  /// A manifest of these records; files that they name are made.
  Source manifest(const std::string& name, const std::vector<Fields>& records) const {
    std::string text;
    for (const auto& fields : records) {
      Json record = {{"caption", "x"}};
      for (const auto& [key, value] : fields) {
        record[key] = value;
        if (value.is_string()) {
          touch({value.get<std::string>()});
        }
      }
      text += record.dump() + "\n";
    }
    return read_source(write(name, text));
  }

  Source folder(const std::string& name, const std::vector<std::string>& files) const {
    for (const auto& file : files) {
      touch({name + "/" + file});
    }
    return read_source(folder_ / name);
  }

  std::string short_name(const std::optional<fs::path>& path) const {
    return path ? fs::relative(*path, folder_).string() : "none";
  }
  /// image -> reference
  std::vector<std::pair<std::string, std::string>> pairs(const Collection& found) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& item : found.items) {
      out.emplace_back(short_name(item.generated), short_name(item.reference));
    }
    return out;
  }
  std::vector<std::string> masks(const Collection& found) const {
    std::vector<std::string> out;
    std::transform(found.items.begin(), found.items.end(), std::back_inserter(out),
                   [&](const EvaluationItem& item) { return short_name(item.mask); });
    return out;
  }
};

std::vector<std::string> names(const Source& source) {
  std::vector<std::string> out;
  std::transform(source.items.begin(), source.items.end(), std::back_inserter(out),
                 [](const SourceItem& item) { return item.name; });
  return out;
}

/// name -> reason
std::vector<std::pair<std::string, std::string>> skipped(const Collection& found) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& one : found.skipped) {
    out.emplace_back(one.name, one.reason);
  }
  return out;
}

TEST_F(Items, FolderGivesItsPicturesByNameWhateverTheirEnding) {
  const auto source = folder("f", {"b.PNG", "a.Jpeg", "c.tif", "d.TIFF", "e.bmp", "f.jpg",
                                   "notes.txt", "._a.png", "g.gif", "sub/h.png"});
  EXPECT_FALSE(source.is_manifest);
  EXPECT_THAT(names(source), ElementsAre("a", "b", "c", "d", "e", "f"));
  EXPECT_EQ(source.items[1].image.filename(), "b.PNG");
}

TEST_F(Items, TwoPicturesOfOneNameInAFolderAreRefused) {
  const auto text =
      test::error_of([&] { folder("f", {"a.png", "b.png", "a.jpg"}); }, ErrorCode::kData);
  EXPECT_THAT(text, HasSubstr("two pictures are called 'a': a.jpg and a.png"));
}

TEST_F(Items, NothingToReadIsNamed) {
  const auto of = [&](const std::string& name) {
    return test::error_of([&] { read_source(folder_ / name); }, ErrorCode::kData);
  };
  EXPECT_THAT(of("nowhere"), HasSubstr("no such folder or manifest"));
  fs::create_directories(folder_ / "empty/sub");
  touch({"empty/sub/a.png"});
  EXPECT_THAT(of("empty"), HasSubstr("not those in sub-folders"));
  write("blank.jsonl", "\n");
  EXPECT_THAT(of("blank.jsonl"), HasSubstr("no records"));
}

TEST_F(Items, FolderWithAManifestIsReadThroughIt) {
  touch({"out/images/1.png", "out/stray.png"});
  write("out/manifest.jsonl", R"({"image_path": "images/1.png", "caption": "x", "label": 2})");
  const auto source = read_source(folder_ / "out");
  EXPECT_TRUE(source.is_manifest);
  EXPECT_EQ(source.path, folder_ / "out/manifest.jsonl");
  ASSERT_THAT(names(source), ElementsAre("1"));
  EXPECT_EQ(source.items[0].label, 2);
  EXPECT_EQ(source.items[0].line, 1);
}

TEST_F(Items, OfSeveralManifestsTheSplitIsRead) {
  touch({"d/a.png", "d/b.png"});
  write("d/train.jsonl", R"({"image_path": "a.png", "caption": "x"})");
  write("d/val.jsonl", R"({"image_path": "b.png", "caption": "x"})");
  EXPECT_THAT(names(read_source(folder_ / "d")), ElementsAre("b"));
  EXPECT_THAT(names(read_source(folder_ / "d", "train")), ElementsAre("a"));
}

TEST_F(Items, RecordsKeepWhatBelongsToThem) {
  const auto source = manifest(
      "m.jsonl", {{{"image_path", "a.png"}, {"mask_path", "m/a.png"}, {"spacing_mm", {0.5, 2.0}}},
                  {{"image_path", "b.png"}, {"mask_path", nullptr}, {"source_line", 7}}});
  EXPECT_EQ(short_name(source.items[0].mask), "m/a.png");
  EXPECT_EQ((*source.items[0].spacing_mm)[1], 2.0);
  EXPECT_FALSE(source.items[0].source_line);
  EXPECT_FALSE(source.items[1].mask);
  EXPECT_EQ(source.items[1].source_line, 7);
}

TEST_F(Items, FoldersAreMatchedByNameAndTheRestIsNamed) {
  const auto made = folder("made", {"a.png", "b.png", "c.png"});
  const auto real = folder("real", {"b.jpg", "c.tif", "z.png"});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found),
              ElementsAre(Pair("made/b.png", "real/b.jpg"), Pair("made/c.png", "real/c.tif")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("a", "no reference of this name")));
}

TEST_F(Items, NothingInCommonIsAnErrorThatSaysHowImagesAreMatched) {
  const auto made = folder("made", {"a.png", "b.png"}), real = folder("real", {"c.png"});
  const auto text = test::error_of([&] { match(made, &real, nullptr); }, ErrorCode::kData);
  EXPECT_THAT(text,
              HasSubstr("none of the 2 images can be matched; the first, a: no reference of"));
  EXPECT_THAT(text, HasSubstr("--unpaired"));
  EXPECT_THAT(test::error_of([&] { match(made, nullptr, &real); }, ErrorCode::kData),
              HasSubstr("no mask of this name"));
}

TEST_F(Items, WithoutReferenceAndMasksEveryImageStays) {
  const auto made = manifest("made.jsonl", {{{"image_path", "x/1.png"}, {"source_line", 3}},
                                            {{"image_path", "y/1.png"}, {"mask_path", "m.png"}}});
  const auto found = match(made, nullptr, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("x/1.png", "none"), Pair("y/1.png", "none")));
  EXPECT_THAT(masks(found), ElementsAre("none", "m.png"));
  EXPECT_THAT(found.skipped, IsEmpty());
}

TEST_F(Items, ManifestsAreMatchedByTheLineTheImageWasMadeFrom) {
  const auto real =
      manifest("real.jsonl", {{{"image_path", "r/1.png"}, {"mask_path", "rm/1.png"}},
                              {{"image_path", "r/0.png"}, {"mask_path", "rm/0.png"}}});
  // The running numbers of the generated images are also names of references, of other ones.
  const auto made = manifest("made.jsonl", {{{"image_path", "g/0.png"}, {"source_line", 1}},
                                            {{"image_path", "g/1.png"}, {"source_line", 2}},
                                            {{"image_path", "g/2.png"}, {"source_line", 1}},
                                            {{"image_path", "g/3.png"}, {"source_line", 9}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/0.png", "r/1.png"), Pair("g/1.png", "r/0.png"),
                                        Pair("g/2.png", "r/1.png")));
  EXPECT_THAT(masks(found), ElementsAre("rm/1.png", "rm/0.png", "rm/1.png"));
  EXPECT_THAT(skipped(found),
              ElementsAre(Pair("3", HasSubstr("no such line as it was made from"))));
}

TEST_F(Items, LinesOfAnotherManifestShowByTheirLabels) {
  const auto real = manifest("real.jsonl", {{{"image_path", "r/a.png"}, {"label", 0}},
                                            {{"image_path", "r/b.png"}, {"label", 1}},
                                            {{"image_path", "r/c.png"}}});
  const auto made =
      manifest("made.jsonl", {{{"image_path", "g/0.png"}, {"source_line", 1}, {"label", 1}},
                              {{"image_path", "g/1.png"}, {"source_line", 2}, {"label", 1}},
                              {{"image_path", "g/2.png"}, {"source_line", 3}, {"label", 1}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/1.png", "r/b.png"), Pair("g/2.png", "r/c.png")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("0", HasSubstr("its label is not that"))));
}

TEST_F(Items, LinesOfAnotherManifestShowByItsHash) {
  const auto real =
      manifest("real.jsonl", {{{"image_path", "r/a.png"}}, {{"image_path", "r/b.png"}}});
  const auto other = manifest("other.jsonl", {{{"image_path", "r/c.png"}}});
  ASSERT_EQ(real.hash.size(), 64U);
  const auto made = manifest(
      "made.jsonl", {{{"image_path", "g/0.png"}, {"source_line", 1}, {"source_hash", real.hash}},
                     {{"image_path", "g/1.png"}, {"source_line", 1}, {"source_hash", other.hash}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/0.png", "r/a.png")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("1", HasSubstr("made from another manifest"))));
  EXPECT_EQ(match(made, nullptr, nullptr).items.size(), 2U);
}

TEST_F(Items, OriginalsBesideTheGeneratedAreLeftOut) {
  const auto made = manifest("made.jsonl", {{{"image_path", "o/0.png"}, {"synthetic", false}},
                                            {{"image_path", "g/0.png"}, {"synthetic", true}},
                                            {{"image_path", "x/1.png"}}});
  const auto found = match(made, nullptr, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/0.png", "none"), Pair("x/1.png", "none")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("0", HasSubstr("was not generated"))));
}

TEST_F(Items, RunningNumbersAreNotNamesInAFolder) {
  const auto real = folder("real", {"000001.png", "000002.png"});
  const auto made = manifest("made.jsonl", {{{"image_path", "g/000001.png"}, {"source_line", 1}},
                                            {{"image_path", "g/000002.png"}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/000002.png", "real/000002.png")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("000001", HasSubstr("made from a manifest"))));
}

TEST_F(Items, NameOfSeveralReferencesIsNotGuessed) {
  const auto real = manifest("real.jsonl", {{{"image_path", "patient1/scan.png"}},
                                            {{"image_path", "patient2/scan.png"}},
                                            {{"image_path", "p3/b.png"}}});
  const auto made =
      manifest("made.jsonl", {{{"image_path", "g/scan.png"}}, {{"image_path", "g/b.png"}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("g/b.png", "p3/b.png")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("scan", "more than one reference of this name")));
}

TEST_F(Items, TwoGeneratedImagesOfOneNameAreNotGuessed) {
  const auto real = folder("real", {"a.png", "b.png"});
  const auto made = manifest(
      "made.jsonl",
      {{{"image_path", "x/a.png"}}, {{"image_path", "y/a.png"}}, {{"image_path", "x/b.png"}}});
  const auto found = match(made, &real, &real);
  EXPECT_THAT(pairs(found), ElementsAre(Pair("x/b.png", "real/b.png")));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("a", "another generated image has the same name"),
                                          Pair("a", "another generated image has the same name")));
}

TEST_F(Items, TwinsThatSayTheirLineAreMatched) {
  const auto real =
      manifest("real.jsonl", {{{"image_path", "r/a.png"}}, {{"image_path", "s/a.png"}}});
  const auto made = manifest("made.jsonl", {{{"image_path", "x/a.png"}, {"source_line", 2}},
                                            {{"image_path", "y/a.png"}, {"source_line", 1}}});
  EXPECT_THAT(pairs(match(made, &real, nullptr)),
              ElementsAre(Pair("x/a.png", "s/a.png"), Pair("y/a.png", "r/a.png")));
}

TEST_F(Items, MasksOfAFolderHaveTheNameOfTheImage) {
  const auto made = folder("made", {"a.png", "b.png"}), given = folder("masks", {"b.bmp"});
  const auto found = match(made, nullptr, &given);
  EXPECT_THAT(masks(found), ElementsAre("masks/b.bmp"));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("a", "no mask of this name")));
}

TEST_F(Items, MasksOfAManifestAreItsMasksAndNotItsPictures) {
  const auto made = folder("made", {"a.png", "b.png"});
  const auto given = manifest(
      "real.jsonl",
      {{{"image_path", "r/a.png"}, {"mask_path", "m/other.png"}}, {{"image_path", "r/b.png"}}});
  const auto found = match(made, nullptr, &given);
  EXPECT_THAT(masks(found), ElementsAre("m/other.png"));
  EXPECT_THAT(skipped(found), ElementsAre(Pair("b", "no mask of this name")));
}

TEST_F(Items, GivenMasksComeBeforeThoseOfTheRecords) {
  const auto real =
      manifest("real.jsonl", {{{"image_path", "r/a.png"}, {"mask_path", "rm/a.png"}},
                              {{"image_path", "r/b.png"}, {"mask_path", "rm/b.png"}}});
  const auto made = manifest(
      "made.jsonl", {{{"image_path", "g/0.png"}, {"mask_path", "gm/0.png"}, {"source_line", 1}},
                     {{"image_path", "g/1.png"}, {"mask_path", "gm/1.png"}, {"source_line", 2}}});
  EXPECT_THAT(masks(match(made, &real, nullptr)), ElementsAre("gm/0.png", "gm/1.png"));
  EXPECT_THAT(masks(match(made, &real, &real)), ElementsAre("rm/a.png", "rm/b.png"));
  EXPECT_THAT(masks(match(made, &real, &made)), ElementsAre("gm/0.png", "gm/1.png"));
  // A folder: those of the generated images themselves, or those named as the references.
  const auto own = read_source(folder_ / "gm"), theirs = read_source(folder_ / "rm");
  EXPECT_THAT(masks(match(made, &real, &own)), ElementsAre("gm/0.png", "gm/1.png"));
  EXPECT_THAT(masks(match(made, &real, &theirs)), ElementsAre("rm/a.png", "rm/b.png"));
}

TEST_F(Items, MasksNumberedOtherwiseAreNotGuessed) {
  const auto made = manifest(
      "made.jsonl", {{{"image_path", "g/1.png"}, {"mask_path", "gm/1.png"}, {"source_line", 1}}});
  const auto given = folder("numbered", {"1.png", "2.png"});
  EXPECT_THAT(test::error_of([&] { match(made, nullptr, &given); }, ErrorCode::kData),
              HasSubstr("made from a manifest: give that for its mask"));
}

TEST_F(Items, SpacingIsThatOfTheImageElseOfTheReference) {
  const auto real =
      manifest("real.jsonl", {{{"image_path", "r/a.png"}, {"spacing_mm", {1.0, 1.0}}},
                              {{"image_path", "r/b.png"}, {"spacing_mm", {2.0, 3.0}}}});
  const auto made = manifest("made.jsonl", {{{"image_path", "g/a.png"}, {"spacing_mm", {4.0, 4.0}}},
                                            {{"image_path", "g/b.png"}}});
  const auto found = match(made, &real, nullptr);
  EXPECT_EQ((*found.items[0].spacing_mm)[0], 4.0);
  EXPECT_EQ(found.items[0].spacing_of, found.items[0].generated);
  EXPECT_EQ((*found.items[1].spacing_mm)[1], 3.0);
  EXPECT_EQ(found.items[1].spacing_of, *found.items[1].reference);
}

}  // namespace
}  // namespace medaug
