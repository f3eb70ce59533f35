// SPDX-License-Identifier: MIT
#include "data/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "base/error.h"
#include "image/test_files.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempFolder;

/// A folder with a.png, b.png and m.png to point at.
class ManifestFolder {
 public:
  ManifestFolder() {
    for (const char* name : {"a.png", "b.png", "m.png", "中文🙂.png"}) {
      folder_.write(name, testing::png({}));
    }
    fs::create_directory(path() / "sub");
    mkfifo((path() / "pipe.png").c_str(), 0600);
    fs::create_symlink("/etc/passwd", path() / "link.png");
  }
  const fs::path& path() const { return folder_.path(); }
  fs::path write(const std::string& text) const { return folder_.write("set.jsonl", text); }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
};

const std::string kGood = R"({"image_path": "a.png", "caption": "one", "mask_path": "m.png"})";

std::string with(const std::string& image_path) {
  return R"({"image_path": ")" + image_path + R"(", "caption": "x"})";
}

TEST(Manifest, ReadsEveryFieldAndKeepsUnknownOnes) {
  const ManifestFolder folder;
  const auto manifest = read_manifest(folder.write(
      R"({"image_path": "a.png", "caption": "one", "mask_path": "m.png", "label": 3, "group": "P7", )"
      R"("spacing_mm": [0.5, 0.7], "scanner": {"kV": 120}})"
      "\n"
      R"({"image_path": "b.png", "caption": "", "mask_path": null, "group": 12})"));
  ASSERT_EQ(manifest.records.size(), 2U);
  const Record& first = manifest.records[0];
  EXPECT_EQ(first.image_path, folder.path() / "a.png");
  EXPECT_EQ(first.mask_path, folder.path() / "m.png");
  EXPECT_EQ(first.label, 3);
  EXPECT_EQ(first.group, "P7");
  EXPECT_EQ(first.spacing_mm, (std::vector<double>{0.5, 0.7}));
  EXPECT_EQ(first.raw["scanner"]["kV"], 120);
  EXPECT_EQ(first.line, 1);
  const Record& second = manifest.records[1];
  EXPECT_EQ(second.caption, "");
  EXPECT_FALSE(second.mask_path.has_value());
  EXPECT_FALSE(second.label.has_value());
  EXPECT_EQ(second.group, "12");
}

TEST(Manifest, AcceptsOddButSoundFiles) {  // M03 M04 M05 M06 M40 M46 M48 M52
  const ManifestFolder folder;
  const auto read = [&](const std::string& text) {
    return read_manifest(folder.write(text)).records.size();
  };
  EXPECT_EQ(read("\n\n" + kGood + "\n  \n" + kGood + "\n\n"), 2U);
  EXPECT_EQ(read(kGood), 1U);
  EXPECT_EQ(read(kGood + "\r\n" + kGood + "\r\n"), 2U);
  EXPECT_EQ(read("\xEF\xBB\xBF" + kGood + "\n"), 1U);
  EXPECT_EQ(read(with("中文🙂.png")), 1U);
  EXPECT_EQ(read(with("./sub/../a.png")), 1U);
  EXPECT_EQ(read(R"({"image_path": "a.png", "caption": "\u001b[31mred"})"), 1U);
}

struct BadLine {
  const char* name;
  std::string line;
  const char* message;  ///< part of what()
};

std::ostream& operator<<(std::ostream& out, const BadLine& bad) { return out << bad.name; }

class RefusesLine : public ::testing::TestWithParam<BadLine> {};

TEST_P(RefusesLine, WithPlaceAndReason) {
  const ManifestFolder folder;
  const auto path = folder.write(kGood + "\n" + GetParam().line);
  ManifestReader reader(path);
  ASSERT_TRUE(reader.next().has_value());
  try {
    reader.next();
    FAIL() << "was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_EQ(exit_status(e.code()), 4);
    EXPECT_THAT(e.where(), HasSubstr("set.jsonl:2"));
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
  }
  EXPECT_NO_THROW(while (reader.next()){}) << "reading must go on behind a bad line";
}

std::string deep(int depth) {
  return R"({"image_path": "a.png", "caption": "x", "y": )" +
         std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']') + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Catalogue, RefusesLine,
    ::testing::Values(
        BadLine{"M07", R"({"image_path": "a.png", "capt)", "not written to its end"},
        BadLine{"M08", "[" + kGood + "]", "no list around them"},
        BadLine{"M09", "{\n", "spread over several lines"},
        BadLine{"M10", "{'image_path': 'a.png'}", "double quotes"},
        BadLine{"M11", R"({"image_path": "a.png", "caption": "x",})", "remove the comma"},
        BadLine{"M12", R"({"image_path": "a.png", "caption": "x", "label": NaN})", "no NaN"},
        BadLine{"M13", R"({"image_path": "a.png", "caption": "x", "caption": "y"})",
                "'caption' stands twice"},
        BadLine{"M14", "42", "a JSON number, not an object"},
        BadLine{"M15", "null", "a JSON null, not an object"},
        BadLine{"M16", deep(100000), "nested deeper than"},
        BadLine{"M17", "{\"a\": \"" + std::string(3 << 20, 'x') + "\"}",
                "longer than 1048576 bytes"},
        BadLine{"M19", "{\"image_path\": \"a.png\", \"caption\": \"\xC3\x28\"}", "not valid JSON"},
        BadLine{"M20", R"({"image_path": "a.png", "caption": "\ud800"})", "not valid JSON"},
        BadLine{"M21", with("a\\u0000.png"), "control character"},
        BadLine{"M22", R"({"imagepath": "a.png", "caption": "x"})", "did you mean 'imagepath'?"},
        BadLine{"M23", R"({"image_path": null, "caption": "x"})", "must be a path, found null"},
        BadLine{"M24", R"({"image_path": 7, "caption": "x"})", "must be a path, found number 7"},
        BadLine{"M25", with(""), "image_path is empty"},
        BadLine{"M26", with("none.png"), "does not exist"},
        BadLine{"M27", with("sub"), "is a folder"},
        BadLine{"M28", with("pipe.png"), "not a regular file"},
        BadLine{"M29", with("/dev/zero"), "leads out of the folder"},
        BadLine{"M30", with("link.png"), "is a link out of the folder"},
        BadLine{"M31", with("../../etc/passwd"), "leads out of the folder"},
        BadLine{"M32", with("/etc/passwd"), "leads out of the folder"},
        BadLine{"M33", with(R"(C:\\data\\1.png)"), "the Windows way"},
        BadLine{"M34", with(R"(..\\..\\x.png)"), "the Windows way"},
        BadLine{"M35", with("file:///etc/passwd"), "is a URL; nothing is ever fetched"},
        BadLine{"M36", with("http://example.org/a.png"), "download the file"},
        BadLine{"M37", with(R"(\\\\server\\share\\x.png)"), "the Windows way"},
        BadLine{"M38", with(std::string(5000, 'a')), "has 5000 characters"},
        BadLine{"M39", with(R"(a\n.png)"), "control character"},
        BadLine{"M41", with("..%2f..%2fx"), "does not exist"},
        BadLine{"M43", R"({"image_path": "a.png"})", "no 'caption'"},
        BadLine{"M44", R"({"image_path": "a.png", "caption": null})", "write \"\""},
        BadLine{"M45", R"({"image_path": "a.png", "caption": ["x"]})",
                "caption must be text, found array"},
        BadLine{"M47", R"({"image_path": "a.png", "caption": ")" + std::string(100000, 'x') + "\"}",
                "caption has 100000 bytes"},
        BadLine{"M53", R"({"image_path": "a.png", "caption": "x", "mask_path": "no.png"})",
                "mask_path 'no.png' does not exist"},
        BadLine{"M54", R"({"image_path": "a.png", "caption": "x", "mask_path": "a.png"})",
                "are the same file"},
        BadLine{"K50", with("A.PNG"), "did you mean 'a.png'?"},
        BadLine{"K49", R"({"image_path": "a.png", "caption": "x", "mask_path": "link.png"})",
                "is a link out of the folder"},
        BadLine{"LabelText", R"({"image_path": "a.png", "caption": "x", "label": "benign"})",
                "label must be a whole number"},
        BadLine{"LabelFloat", R"({"image_path": "a.png", "caption": "x", "label": 1.5})",
                "label must be a whole number"},
        BadLine{"LabelNegative", R"({"image_path": "a.png", "caption": "x", "label": -1})",
                "label -1 is outside"},
        BadLine{"Spacing", R"({"image_path": "a.png", "caption": "x", "spacing_mm": [0, 1]})",
                "two positive numbers"}),
    [](const auto& test_case) { return std::string(test_case.param.name); });

TEST(Manifest, NamesTheColumnOfASyntaxError) {
  const ManifestFolder folder;
  try {
    read_manifest(folder.write(R"({"image_path": "a.png" "caption": "x"})"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(e.where().ends_with("set.jsonl:1:32") || e.where().ends_with("set.jsonl:1:33"))
        << e.where();
    EXPECT_THAT(e.message(), ::testing::Not(HasSubstr("line 1")));
  }
}

TEST(Manifest, RefusesWhatIsNoManifest) {  // M01 M02
  const ManifestFolder folder;
  const auto expect = [](const fs::path& path, const char* text) {
    try {
      read_manifest(path);
      ADD_FAILURE() << path << " was read";
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(text));
    }
  };
  expect(folder.path() / "none.jsonl", "does not exist");
  expect(folder.path(), "is a folder");
  expect(folder.path() / "pipe.png", "not a regular file");
  expect(folder.write(""), "no records");
  expect(folder.write("\n \n"), "no records");
  expect(folder.write(std::string("\xFF\xFE{\0", 4)), "UTF-16");
}

TEST(Manifest, LabelsStayInsideTheClassList) {  // M59
  const ManifestFolder folder;
  const auto path = folder.write(R"({"image_path": "a.png", "caption": "x", "label": 4})");
  EXPECT_NO_THROW(read_manifest(path, {.num_labels = 5}));
  try {
    read_manifest(path, {.num_labels = 4});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("label 4 is outside 0..3"));
  }
}

TEST(Manifest, WarnsOfAMisspelledField) {  // M60
  const ManifestFolder folder;
  ManifestReader reader(
      folder.write(R"({"image_path": "a.png", "caption": "x", "lable": 1, "scanner": "A"})"));
  ASSERT_TRUE(reader.next().has_value());
  ASSERT_EQ(reader.warnings().size(), 1U);
  EXPECT_THAT(reader.warnings()[0], HasSubstr("did you mean 'label'?"));
}

TEST(Manifest, RootIsGivenOrTheFolderOrTheWorkingFolder) {
  const ManifestFolder folder;
  folder.folder().write("data/images/1.png", testing::png({}));
  const auto path = folder.folder().write("data/train.jsonl", with("data/images/1.png"));
  EXPECT_EQ(read_manifest(path, {.root = folder.path()}).records.size(), 1U);
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const auto manifest = read_manifest("data/train.jsonl");
  fs::current_path(before);
  EXPECT_EQ(manifest.root, ".");
  EXPECT_THROW(read_manifest(path), Error);
}

TEST(Manifest, OutsidePathsCanBeAllowed) {
  const ManifestFolder folder;
  const auto path = folder.folder().write("sub/set.jsonl", with("../a.png"));
  EXPECT_THROW(read_manifest(path), Error);
  EXPECT_EQ(read_manifest(path, {.root = {}, .allow_outside = true}).records.size(), 1U);
}

TEST(FindManifest, UnderstandsTheOriginalsDataPath) {
  const TempFolder folder;
  const fs::path root = folder.path();
  folder.write("data/train.jsonl", "");
  EXPECT_EQ(find_manifest(root / "data/train"), root / "data/train.jsonl");
  EXPECT_EQ(find_manifest(root / "data/train.jsonl"), root / "data/train.jsonl");
  EXPECT_EQ(find_manifest(root / "data", "train"), root / "data/train.jsonl");
  EXPECT_EQ(find_manifest(root / "data", "val"), root / "data/train.jsonl");  // the only one
  folder.write("data/train/manifest.jsonl", "");
  EXPECT_EQ(find_manifest(root / "data/train"), root / "data/train/manifest.jsonl");
  EXPECT_THROW(find_manifest(root / "nothing"), Error);
}

}  // namespace
}  // namespace medaug
