// SPDX-License-Identifier: MIT
#include "config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string failure(std::string_view text) {
  try {
    parse_yaml(text, "c.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    return e.what();
  }
  return "no failure";
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

TEST(Yaml, KeepsTextQuotesAndPlaces) {
  const auto root = parse_yaml("a:\n  b: 010\n  c: \"32\"\n  d: [x, no]\n", "c.yaml");
  const auto* a = root.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->find("b")->text, "010");
  EXPECT_FALSE(a->find("b")->quoted);
  EXPECT_TRUE(a->find("c")->quoted);
  EXPECT_EQ(a->find("d")->items.at(1).text, "no");
  EXPECT_EQ(a->find("b")->place.str(), "c.yaml:2:6");
  EXPECT_EQ(a->entries.at(1).place.str(), "c.yaml:3:3");
}

TEST(Yaml, TakesByteOrderMarkAndCrLf) {
  const auto root = parse_yaml(
      "\xEF\xBB\xBF"
      "a:\r\n  b: 1\r\n",
      "c.yaml");
  EXPECT_EQ(root.find("a")->find("b")->text, "1");
}

TEST(Yaml, EmptyAndCommentOnlyTextsAreNull) {
  EXPECT_EQ(parse_yaml("", "c").kind, ConfigNode::Kind::kNull);
  EXPECT_EQ(parse_yaml("# nothing\n", "c").kind, ConfigNode::Kind::kNull);
}

TEST(Yaml, NamesBothPlacesOfADuplicateKey) {
  EXPECT_THAT(failure("a: 1\nb: 2\na: 3\n"),
              StartsWith("c.yaml:3:1: key 'a' is given twice, first at c.yaml:1:1"));
}

TEST(Yaml, RefusesWhatIsNotUtf8Text) {
  EXPECT_THAT(failure(std::string_view("\xFF\xFE"
                                       "a\0",
                                       4)),
              HasSubstr("UTF-16"));
  EXPECT_THAT(failure(std::string_view("a\0:\0", 4)), HasSubstr("UTF-16"));
  EXPECT_THAT(failure("a: 1\nb: \xFF\n"), StartsWith("c.yaml:2:4: byte 0xff"));
  EXPECT_THAT(failure("a: \xC0\xAF\n"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(failure("a: \xED\xA0\x80\n"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(failure(std::string_view("a: x\0y", 6)), StartsWith("c.yaml:1:5: control character"));
  EXPECT_THAT(failure("a:\n\tb: 1\n"), StartsWith("c.yaml:2:1: a tab indents"));
}

TEST(Yaml, RefusesAnchorsAliasesAndTags) {
  EXPECT_THAT(failure("a: &x [1]\nb: *x\n"), HasSubstr("c.yaml:1:4: anchors"));
  EXPECT_THAT(failure("a: *x\n"), HasSubstr("c.yaml:1:4"));
  EXPECT_THAT(failure("a: &x [*x]\n"), HasSubstr("anchors"));
  EXPECT_THAT(failure("a: !!python/object:os.system [ls]\n"), HasSubstr("tags"));
  EXPECT_THAT(failure("!2"), HasSubstr("tags"));
}

TEST(Yaml, RefusesASecondDocument) {
  EXPECT_THAT(failure("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
}

TEST(Yaml, NamesTheUnclosedQuoteAndBracket) {
  EXPECT_THAT(failure("a: \"open\nb: 1\n"), StartsWith("c.yaml:1:4: this quote is not closed"));
  EXPECT_THAT(failure("a: 'it''s\n"), StartsWith("c.yaml:1:4: this quote is not closed"));
  EXPECT_EQ(parse_yaml("a: 'it''s \\'\n", "c").find("a")->text, "it's \\");
  EXPECT_EQ(parse_yaml("a: \"\\\"\"\n", "c").find("a")->text, "\"");
  EXPECT_THAT(failure("a: [1, 2\nb: 1\n"), HasSubstr("never closed"));
}

TEST(Yaml, StopsAtDepthSizeAndCount) {
  EXPECT_THAT(failure(repeated("[", 10'000)), HasSubstr("never closed"));
  EXPECT_THAT(failure("a: " + repeated("{a: ", 10'000)), HasSubstr("nested deeper"));
  EXPECT_THAT(failure("a: " + repeated("[", 10'000)), HasSubstr("never closed"));
  EXPECT_THAT(failure("a: " + repeated("[", 100) + repeated("]", 100)), HasSubstr("nested deeper"));
  EXPECT_THAT(failure(repeated("- ", 10'000)), HasSubstr("nested deeper"));
  EXPECT_THAT(failure(repeated("? ", 10'000)), HasSubstr("c.yaml:1:"));
  EXPECT_THAT(failure(std::string(2 << 20, 'a')), HasSubstr("a config has at most"));
  EXPECT_THAT(failure("a: [" + repeated("1,", 100'000) + "]"), HasSubstr("more than 20000 values"));
}

TEST(Yaml, KeysMustBeWords) {
  EXPECT_THAT(failure("[a, b]: 1\n"), HasSubstr("a bracket stands where a key should"));
  EXPECT_THAT(failure(": 1\n"), HasSubstr("key is missing"));
}

}  // namespace
}  // namespace medaug
