// SPDX-License-Identifier: MIT
#include "case_folder.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace medaug::golden {
namespace {

at::Tensor values(std::vector<double> numbers) { return at::tensor(numbers, at::kFloat); }

// A case of one file with the tensors a and b, both (1, -2).
class CaseFolderTest : public testing::Test {
 protected:
  CaseFolderTest() {
    const auto* name = testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = std::filesystem::path(testing::TempDir()) / "medaug_golden" / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    write_safetensors(folder_ / "t.safetensors", {{"a", values({1, -2})}, {"b", values({1, -2})}});
    write_case(R"([{"file": "t.*", "tensor": "a", "atol": 0.1, "rtol": 0.1}, {"atol": 0}])");
  }

  void write_case(const std::string& rules, const std::string& files = "{}") {
    write_file_atomically(folder_ / "case.json", R"({"case": "demo", "tolerance": {"rules": )" +
                                                     rules + R"(}, "files": )" + files + "}");
  }

  std::vector<std::string> failures(CaseFolder& folder) {
    std::vector<std::string> names;
    for (const auto& out : folder.finish()) {
      if (!out.passed()) {
        names.push_back(out.tensor);
      }
    }
    return names;
  }

  std::filesystem::path folder_;
};

using Names = std::vector<std::string>;

TEST_F(CaseFolderTest, TheFirstMatchingRuleDecides) {
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1.19, -2.29}));  // 0.1 + 0.1 |want|
  folder.compare("t.safetensors", "b", values({1, -2}));
  EXPECT_EQ(failures(folder), Names{});
}

TEST_F(CaseFolderTest, ACaseWithoutANameIsCalledAsItsFolder) {
  EXPECT_EQ(CaseFolder(folder_).name(), "demo");
  write_file_atomically(folder_ / "case.json", R"({"tolerance": 0.1})");
  EXPECT_EQ(CaseFolder(folder_).name(), "ACaseWithoutANameIsCalledAsItsFolder");
}

TEST_F(CaseFolderTest, AnErrorBeyondTheBoundFails) {
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1.21, -2}));
  folder.compare("t.safetensors", "b", values({1, -2.000001}));
  EXPECT_EQ(failures(folder), (Names{"a", "b"}));
}

TEST_F(CaseFolderTest, NotANumberFails) {
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({NAN, -2}));
  folder.input("t.safetensors", "b");
  EXPECT_EQ(failures(folder), Names{"a"});
}

TEST_F(CaseFolderTest, AnotherShapeFails) {
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1, -2}).unsqueeze(0));
  folder.input("t.safetensors", "b");
  EXPECT_EQ(failures(folder), Names{"a"});
}

TEST_F(CaseFolderTest, WhatIsStoredButNotComparedFails) {
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1, -2}));
  EXPECT_EQ(failures(folder), Names{"b"});
}

TEST_F(CaseFolderTest, WhatIsNotStoredFails) {
  CaseFolder folder(folder_);
  folder.inputs("t.safetensors");
  folder.compare("t.safetensors", "c", values({1}));
  EXPECT_EQ(failures(folder), Names{"c"});
}

TEST_F(CaseFolderTest, NothingComparedFails) {
  CaseFolder folder(folder_);
  EXPECT_EQ(failures(folder), Names{"(all)"});
}

TEST_F(CaseFolderTest, ListedFilesMustBeThereWithTheirTensors) {
  write_case(R"([{"atol": 0}])", R"({"gone.safetensors": {}, "t.safetensors": {"tensors": 3}})");
  CaseFolder folder(folder_);
  folder.inputs("t.safetensors");
  folder.compare("t.safetensors", "a", values({1, -2}));
  EXPECT_EQ(failures(folder), (Names{"(file)", "(file)"}));
}

TEST_F(CaseFolderTest, RelativeRmsJudgesTheWholeTensor) {
  write_case(R"([{"relative_rms": 0.1}])");
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1.2, -2}));  // 0.2 / sqrt(5) = 0.089
  folder.compare("t.safetensors", "b", values({1.3, -2}));  // 0.134
  EXPECT_EQ(failures(folder), Names{"b"});
}

TEST_F(CaseFolderTest, OnRealTokensLeavesOutPadding) {
  const auto x = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 2, 2});
  write_safetensors(folder_ / "t.safetensors",
                    {{"x", x}, {"attention_mask", at::tensor({1, 0}).view({1, 2})}});
  const auto other_padding = at::tensor({1.0F, 2.0F, 9.0F, 9.0F}).view({1, 2, 2});
  for (const std::string on : {R"(, "on": "real tokens")", "", R"(, "on": "mondays")"}) {
    write_case(R"([{"relative_rms": 0.1)" + on + "}]");
    CaseFolder folder(folder_);
    folder.input("t.safetensors", "attention_mask");
    folder.compare("t.safetensors", "x", other_padding);
    EXPECT_EQ(failures(folder), on.find("real") != std::string::npos ? Names{} : Names{"x"});
  }
}

TEST_F(CaseFolderTest, AnUnknownKindOfBoundFails) {
  write_case(R"([{"max_ulps": 1}])");
  CaseFolder folder(folder_);
  folder.compare("t.safetensors", "a", values({1, -2}));
  folder.input("t.safetensors", "b");
  EXPECT_EQ(failures(folder), Names{"a"});
}

TEST_F(CaseFolderTest, RefusesAFolderWithoutCase) {
  std::filesystem::remove(folder_ / "case.json");
  EXPECT_THROW(CaseFolder{folder_}, Error);
}

}  // namespace
}  // namespace medaug::golden
