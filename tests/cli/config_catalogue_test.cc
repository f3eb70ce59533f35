// SPDX-License-Identifier: MIT
// Bad configs through the real program: exit status, place and hint, and that nothing was written.
// The numbers are those of the project's catalogue of bad inputs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Far above the half second that it takes: other programs may hold the machine.
constexpr double kHangSeconds = 30.0;
const std::string kData = "data: {train_data: t.jsonl}\n";

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

std::string nested_maps(int depth) {
  return std::string("data: ")
      .append(repeated("{a: ", depth))
      .append("1")
      .append(repeated("}", depth));
}

std::string alias_bomb() {
  std::ostringstream out;
  out << "a0: &a0 [x, x]\n";
  for (int i = 1; i < 9; ++i) {
    out << "a" << i << ": &a" << i << " [*a" << i - 1 << ", *a" << i - 1 << "]\n";
  }
  return out.str();
}

std::string many_keys(int count) {
  std::ostringstream out;
  for (int i = 0; i < count; ++i) {
    out << "key" << i << ": 1\n";
  }
  return out.str();
}

struct Case {
  const char* name;
  std::string text;                   ///< of c.yaml
  std::vector<std::string> expected;  ///< all of them in the message
  int status = 3;
  std::vector<std::string> more = {};  ///< arguments
};

void PrintTo(const Case& bad, std::ostream* out) { *out << bad.name; }

class ConfigCatalogue : public ::testing::TestWithParam<Case> {};

TEST_P(ConfigCatalogue, IsNamedWithPlaceAndHint) {
  const auto& bad = GetParam();
  const TemporaryFolder folder;
  folder.write("c.yaml", bad.text);
  const auto before = folder.listing();
  std::vector<std::string> arguments{"check", "config", "c.yaml"};
  arguments.insert(arguments.end(), bad.more.begin(), bad.more.end());
  const auto run = run_medaug(arguments, folder.path());
  EXPECT_EQ(run.status, bad.status) << run.err.substr(0, 500);
  for (const auto& part : bad.expected) {
    EXPECT_THAT(run.err + run.out, HasSubstr(part));
  }
  EXPECT_EQ(run.err.find('\x1b'), std::string::npos);
  EXPECT_EQ(folder.listing(), before);
  EXPECT_LT(run.seconds, kHangSeconds);
}

std::string training(std::string_view line) {
  return std::string(kData).append("training:\n  ").append(line).append("\n");
}

const Case kText[] = {
    {"C04_Empty", "", {"c.yaml: the config is empty", "configs/"}},
    {"C05_OnlyComments", "# nothing\n", {"the config is empty"}},
    {"C06_BomAndCrLf",
     "\xEF\xBB\xBF"
     "data:\r\n  train_data: t.jsonl\r\n",
     {"t.jsonl"},
     0},
    {"C07_Utf16",
     std::string("\xFF\xFE"
                 "d\0a\0",
                 6),
     {"c.yaml:1:1", "UTF-16", "UTF-8"}},
    {"C08_BadUtf8",
     "data:\n  train_data: \xFF\n",
     {"c.yaml:2:15: byte 0xff", "save the file as UTF-8"}},
    {"C09_Nul", std::string("data: a\0b\n", 10), {"c.yaml:1:8: control character 0x00"}},
    {"C10_Tab", "data:\n\ttrain_data: t\n", {"c.yaml:2:1: a tab", "spaces"}},
    {"C11_OpenQuote",
     "data:\n  train_data: \"t.jsonl\n",
     {"c.yaml:2:15: this quote is not closed"}},
    {"C12_OpenBracket", "data: {train_data: t\n", {"c.yaml:2:1", "never closed"}},
    {"C13_Twice",
     "data:\n  image_size: 64\n  image_size: 32\n",
     {"c.yaml:3:3: key 'image_size' is given twice, first at c.yaml:2:3"}},
    {"C14_List", "- a\n- b\n", {"c.yaml:1:1", "is a list", "map of sections"}},
    {"C15_Number", "7\n", {"this is 7"}},
    {"C16_NestedBrackets", repeated("[", 10'000), {"c.yaml:1:"}},
    {"C17_NestedMaps", nested_maps(10'000), {"nested deeper than 32"}},
    {"C18_AliasBomb", alias_bomb(), {"c.yaml:1:5: anchors"}},
    {"C19_SelfAnchor", "a: &a [*a]\n", {"c.yaml:1:4: anchors"}},
    {"C20_100MB", std::string(100U << 20U, '#'), {"c.yaml", "1048576"}},
    {"C21_50MBLine", "a: " + std::string(50U << 20U, 'x'), {"c.yaml", "1048576"}},
    {"C22_MillionKeys", many_keys(1'000'000), {"c.yaml"}},
    {"C22b_ManyKeysBelowTheLimit", many_keys(30'000), {"more than 20000 values"}},
    {"C23_SecondDocument", kData + "---\ndata: {}\n", {"second document"}},
    {"C24_PythonTag", "data: !!python/object:os.system {a: ls}\n", {"c.yaml:1:7: tags"}},
    {"C25_Tag2", "!2", {"tags (!2)"}},
};

const Case kValues[] = {
    {"C26_UnknownSection",
     kData + "trainig: {seed: 1}\n",
     {"c.yaml:2:1: unknown section 'trainig' (did you mean 'training'?)"}},
    {"C27_UnknownKey",
     training("batchsize: 2"),
     {"c.yaml:3:3: unknown key 'batchsize' in 'training' (did you mean 'batch_size'?)",
      "allowed: accumulation"}},
    {"C28_SectionIsNumber",
     kData + "training: 3\n",
     {"c.yaml:2:11: section 'training' must hold keys, but is 3"}},
    {"C29_ListForNumber",
     training("batch_size: [2]"),
     {"c.yaml:3:15: 'training.batch_size' is a list", "integer 1..65536"}},
    {"C30_QuotedNumber",
     training("batch_size: \"32\""),
     {"the quoted text \"32\"", "without quotes"}},
    {"C31_Fraction", training("batch_size: 3.5"), {"3.5, which is not a whole number"}},
    {"C32_ExponentInteger", training("max_steps: 1e3"), {"batch"}, 0},
    {"C33_NegativeBatch", training("batch_size: -1"), {"-1, which is out of range", "1..65536"}},
    {"C34_ZeroBatch", training("batch_size: 0"), {"0, which is out of range"}},
    {"C35_HugeBatch", training("batch_size: 1000000000000"), {"out of range"}},
    {"C36_TwoTo63", training("seed: 9223372036854775808"), {"out of range"}},
    {"C37_Nan", training("learning_rate: .nan"), {"c.yaml:3:18", ".nan'", "not finite"}},
    {"C38_Inf", training("learning_rate: .inf"), {"not finite"}},
    {"C39_NegativeRate", training("learning_rate: -1e-4"), {"out of range"}},
    {"C40_ZeroRate", training("learning_rate: 0"), {"out of range"}},
    {"C41_Beta2", training("beta2: 1.0"), {"'training.beta2' is 1.0, which is out of range"}},
    {"C42_NoIsText",
     "data: {train_data: t.jsonl, class_names: [no]}\n",
     {"\"no\""},
     0,
     {"--print"}},
    {"C43_LeadingZero", training("batch_size: 010"), {"batch_size: 10 "}, 0, {"--print"}},
    {"C44_NotSexagesimal", training("batch_size: 1:30"), {"the text '1:30'"}},
    {"C45_NullRequired", "data: {train_data: }\n", {"'data.train_data' is required"}},
    {"C46_NoData", "training: {seed: 1}\n", {"'data.train_data' is required", "medaug phantom"}},
    {"C47_NearDtype",
     training("amp_dtype: bfloat61"),
     {"unknown value 'bfloat61'", "did you mean 'bfloat16'?", "float32"}},
    {"C48_DtypeOfDevice",
     training("amp_dtype: float16\n  device: cpu"),
     {"c.yaml:3:14: the CPU cannot train in float16", "bfloat16"}},
    {"C49_SizeAndPatch",
     "data: {train_data: t.jsonl, image_size: 65}\n",
     {"c.yaml:1:41", "65 x 65", "the nearest size is 64 x 64"}},
    {"C50_DimAndHeads",
     kData + "model: {dim: 100, heads: 3}\n",
     {"c.yaml:2:8: model.heads: 3 heads do not divide dim 100"}},
    {"C51_NoSteps",
     kData + "sampling: {steps: 0}\n",
     {"'sampling.steps' is 0, which is out of range"}},
    {"C52_HugeGuidance",
     kData + "guidance: {text: 1e9}\n",
     {"'guidance.text' is 1e9, which is out of range"}},
    {"C57_Variable",
     "data: {train_data: \"${UNSET}/t.jsonl\"}\n",
     {"c.yaml:1:20: variables like ${...}", "--set data.train_data="}},
    {"UnknownPreset",
     kData + "model: {preset: smal}\n",
     {"c.yaml:2:17: unknown preset 'smal'", "did you mean 'small'?"}},
    {"BothNames",
     "data: {train_data: t, train_data_path: u}\n",
     {"older name of 'data.train_data'", "keep one"}},
    {"SeveralAtOnce",
     training("batch_size: 0\n  seeed: 1"),
     {"c.yaml:3:15:", "c.yaml:4:3: unknown key 'seeed'"}},
    {"EscapeIsEscaped", "\"\\x1b[31m\": 1\n", {"unknown section"}},
};

const Case kPathsAndOverrides[] = {
    {"C53_LeavesRoot",
     "data: {train_data: ../../t.jsonl, root: pictures}\n",
     {"c.yaml:1:20: 'data.train_data' leaves data.root", "allow_outside"}},
    {"C54_Absolute",
     "data: {train_data: /x/t.jsonl}\n",
     {"c.yaml:1:20: 'data.train_data' is the absolute path", "allow_outside"}},
    {"C54b_AbsoluteByOverride",
     "training: {seed: 1}\n",
     {"/x/t.jsonl does not exist yet"},
     0,
     {"--set", "data.train_data=/x/t.jsonl"}},
    {"C55_NotWritable",
     kData + "output: {folder: c.yaml/run}\n",
     {"c.yaml:2:18: cannot make the run folder", "--output"}},
    {"C56_InsideData",
     "data: {train_data: pictures/train.jsonl}\noutput: {folder: pictures/images/run}\n",
     {"c.yaml:2:18", "inside the data set"}},
    {"C58_NoEquals",
     kData,
     {"--set training.seed: an override reads section.key=value"},
     3,
     {"--set", "training.seed"}},
    {"C59_TwiceLastWins",
     kData,
     {"batch_size: 7 ", "--set training.batch_size=7 replaces --set training.batch_size=5"},
     0,
     {"--print", "--set", "training.batch_size=5", "--set", "training.batch_size=7"}},
    {"C60_UnknownOverride",
     kData,
     {"--set training.sed=1: unknown key 'sed' in 'training' (did you mean 'seed'?)"},
     3,
     {"--set", "training.sed=1"}},
    {"OverrideOfAnOlderName",
     kData,
     {"batch_size: 7 "},
     0,
     {"--print", "--set", "data.batch_size=7"}},
};

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Text, ConfigCatalogue, ::testing::ValuesIn(kText), case_name);
INSTANTIATE_TEST_SUITE_P(Values, ConfigCatalogue, ::testing::ValuesIn(kValues), case_name);
INSTANTIATE_TEST_SUITE_P(PathsAndOverrides, ConfigCatalogue,
                         ::testing::ValuesIn(kPathsAndOverrides), case_name);

TEST(ConfigFiles, C01_Missing) {
  const TemporaryFolder folder;
  const auto run = run_medaug({"check", "config", "none.yaml"}, folder.path());
  EXPECT_EQ(run.status, 3);
  EXPECT_THAT(run.err, HasSubstr("none.yaml: there is no such config file"));
}

TEST(ConfigFiles, C02_Folder) {
  const TemporaryFolder folder;
  const auto run = run_medaug({"check", "config", "."}, folder.path());
  EXPECT_EQ(run.status, 3);
  EXPECT_THAT(run.err, HasSubstr("is a folder, not a config file"));
}

TEST(ConfigFiles, C03_NoPermission) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "root may read everything";
  }
  const TemporaryFolder folder;
  fs::permissions(folder.write("c.yaml", kData), fs::perms::none);
  const auto run = run_medaug({"check", "config", "c.yaml"}, folder.path());
  EXPECT_EQ(run.status, 3);
  EXPECT_THAT(run.err, HasSubstr("c.yaml"));
}

TEST(ConfigFiles, DeviceFilesAreRefused) {
  const TemporaryFolder folder;
  const auto run = run_medaug({"check", "config", "/dev/zero"}, folder.path());
  EXPECT_EQ(run.status, 3);
  EXPECT_THAT(run.err, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace medaug::test
