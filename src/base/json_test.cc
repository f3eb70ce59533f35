// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace medaug {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "m.jsonl:3", {.code = ErrorCode::kData, .max_depth = 4});
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_EQ(e.where(), "m.jsonl:3");
    return e.what();
  }
  return "accepted";
}

TEST(ParseJson, KeepsOrderAndText) {
  const auto json = parse_json(R"({"b": [1, 2.5, null], "a": "眼\u00e9"})", "x");
  EXPECT_EQ(json.dump(), R"({"b":[1,2.5,null],"a":"眼é"})");
}

TEST(ParseJson, RefusesRepeatedKeys) {
  EXPECT_THAT(error_of(R"({"a": 1, "b": {"a": 2}, "a": 3})"), HasSubstr("key 'a' stands twice"));
  EXPECT_EQ(error_of(R"([{"a": 1}, {"a": 2}])"), "accepted");
}

TEST(ParseJson, RefusesDeepNesting) {
  EXPECT_EQ(error_of("[[[[1]]]]"), "accepted");
  EXPECT_THAT(error_of("[[[[[1]]]]]"), HasSubstr("nested deeper than 4 levels"));
  EXPECT_THAT(error_of(std::string(1'000'000, '[')), HasSubstr("nested deeper than 4 levels"));
}

TEST(ParseJson, RefusesTooManyKeys) {
  std::string text = "{";
  for (int i = 0; i <= 10'000; ++i) {
    text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  }
  EXPECT_THAT(error_of(text + "}"), HasSubstr("an object has more than 10000 keys"));
}

TEST(ParseJson, SortsOnRequest) {
  EXPECT_EQ(parse_sorted_json(R"({"b": 1, "a": 2})", "x").dump(), R"({"a":2,"b":1})");
}

TEST(ParseJson, SaysWhereTheTextIsBroken) {
  EXPECT_THAT(error_of(R"({"a": })"), HasSubstr("line 1, column 7"));
  EXPECT_NE(error_of(""), "accepted");
  EXPECT_NE(error_of("{} x"), "accepted");
  EXPECT_NE(error_of("\"\xFF\""), "accepted");
  EXPECT_NE(error_of("[1e999]"), "accepted");
  EXPECT_NE(error_of("[NaN]"), "accepted");
  EXPECT_NE(error_of("[1,]"), "accepted");
}

}  // namespace
}  // namespace medaug
