// SPDX-License-Identifier: MIT
#include "evaluation/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

Json evaluation() {
  return Json::parse(R"({
    "count": 8,
    "agreement": {"over_ceiling": 0.97, "generated": {"n": 8, "mean": 0.81, "std": 0.1}},
    "distribution": {"spaces": [{"name": "radiomics", "generated": {"kid": {"value": 0.02, "se": 0.01}}}]},
    "copies": {"share": 0.0, "nothing": null}
  })");
}

std::vector<std::string> missed(const std::vector<std::string>& texts) {
  std::vector<Requirement> requirements;
  for (const auto& text : texts) {
    requirements.push_back(parse_requirement(text));
  }
  return missed_requirements(evaluation(), requirements);
}

std::string refusal_of(const std::string& key) {
  try {
    figure_at(evaluation(), key);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(Requirement, IsAKeyAndABound) {
  const auto least = parse_requirement("agreement.over_ceiling>=0.95");
  EXPECT_EQ(least.key, "agreement.over_ceiling");
  EXPECT_TRUE(least.at_least);
  EXPECT_DOUBLE_EQ(least.bound, 0.95);
  EXPECT_FALSE(parse_requirement("copies.share<=0").at_least);
}

TEST(Requirement, AnythingElseIsRefused) {
  for (const auto* const text :
       {"", "dice", "dice>0.9", ">=0.9", "dice>=", "dice>=x", "dice>=nan", "dice>=0.9 and more"}) {
    EXPECT_THROW(parse_requirement(text), Error) << text;
  }
}

TEST(Require, ReadsNumbersSummariesValuesAndNamedElements) {
  EXPECT_DOUBLE_EQ(figure_at(evaluation(), "agreement.over_ceiling"), 0.97);
  EXPECT_DOUBLE_EQ(figure_at(evaluation(), "agreement.generated"), 0.81);
  EXPECT_DOUBLE_EQ(figure_at(evaluation(), "agreement.generated.std"), 0.1);
  EXPECT_DOUBLE_EQ(figure_at(evaluation(), "distribution.spaces.radiomics.generated.kid"), 0.02);
  EXPECT_DOUBLE_EQ(figure_at(evaluation(), "distribution.spaces.0.generated.kid.se"), 0.01);
  EXPECT_TRUE(figure_at(evaluation(), "copies.nothing").is_null());
}

TEST(Require, NamesAllThatIsNotReachedAndNothingElse) {
  EXPECT_THAT(missed({"agreement.over_ceiling>=0.97", "copies.share<=0"}), IsEmpty());
  EXPECT_THAT(missed({"agreement.over_ceiling>=0.98", "count>=8", "agreement.generated<=0.5"}),
              ElementsAre(StartsWith("agreement.over_ceiling>=0.98 (it is 0.97"),
                          StartsWith("agreement.generated<=0.5 (it is 0.81")));
}

TEST(Require, ANumberThatDoesNotExistReachesNothing) {
  EXPECT_THAT(missed({"copies.nothing<=1", "copies.nothing>=0"}), SizeIs(2));
}

TEST(Require, WhatIsNotThereIsNamedWithWhatIs) {
  EXPECT_THAT(refusal_of("agreement.dise"), HasSubstr("over_ceiling, generated"));
  EXPECT_THAT(refusal_of("agreement"), HasSubstr("is no figure"));
  EXPECT_THAT(refusal_of("distribution.spaces.clip"), HasSubstr("radiomics"));
}

}  // namespace
}  // namespace medaug
