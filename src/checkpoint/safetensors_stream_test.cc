// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors_stream.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SafetensorsStream : public test::FolderTest {
 protected:
  std::size_t files() const {
    const std::filesystem::directory_iterator all(folder_);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
};

TEST_F(SafetensorsStream, GivesTheBytesThatTheWholeWriterGives) {
  const NamedTensors tensors{{"a", at::arange(6).to(at::kBFloat16).view({2, 3})},
                             {"b", at::arange(5).to(at::kFloat)},
                             {"c", at::zeros({0, 4}, at::kHalf)},
                             {"d", at::ones({1}, at::kBool)}};
  write_safetensors(folder_ / "whole", tensors, {{"format", "pt"}});
  std::vector<std::string> asked;
  const auto make = [&](const std::string& name) {
    asked.push_back(name);
    return std::find_if(tensors.begin(), tensors.end(),
                        [&](const auto& t) { return t.first == name; })
        ->second;
  };
  const std::vector<PlannedTensor> plan{
      {"a", "BF16", {2, 3}}, {"b", "F32", {5}}, {"c", "F16", {0, 4}}, {"d", "BOOL", {1}}};
  EXPECT_EQ(planned_bytes(plan), 12 + 20 + 0 + 1);
  stream_safetensors(folder_ / "streamed", plan, make, {{"format", "pt"}});
  EXPECT_EQ(read(folder_ / "streamed"), read(folder_ / "whole"));
  EXPECT_THAT(asked, ElementsAre("b", "a", "c", "d"));  // as they lie in the file
}

TEST_F(SafetensorsStream, LeavesTheOldFileAndNothingElseWhenATensorCannotBeMade) {
  write("model", "old");
  const auto fails = [](const std::string& name) -> at::Tensor {
    if (name == "b") {
      throw Error(ErrorCode::kCheckpoint, "b", "cannot be read");
    }
    return at::ones({2});
  };
  const std::vector<PlannedTensor> plan{{"a", "F32", {2}}, {"b", "F32", {2}}};
  EXPECT_THAT(error_of([&] { stream_safetensors(folder_ / "model", plan, fails); }),
              HasSubstr("cannot be read"));
  EXPECT_EQ(read(folder_ / "model"), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(SafetensorsStream, RefusesWhatIsNotAsPlanned) {
  const auto stream = [&](const std::vector<PlannedTensor>& plan) {
    return error_of(
        [&] { stream_safetensors(folder_ / "x", plan, [](const auto&) { return at::ones({2}); }); },
        ErrorCode::kInvalidArgument);
  };
  EXPECT_THAT(stream({{"a", "F32", {3}}}), HasSubstr("'a'"));
  EXPECT_THAT(stream({{"a", "BF16", {2}}}), HasSubstr("not what was planned"));
  EXPECT_THAT(stream({{"a", "F33", {2}}}), HasSubstr("no dtype F33"));
  EXPECT_THAT(stream({{"a", "F32", {2}}, {"a", "F32", {2}}}), HasSubstr("twice"));
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace medaug
