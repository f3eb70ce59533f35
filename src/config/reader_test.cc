// SPDX-License-Identifier: MIT
#include "config/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/writer.h"

namespace medaug {

enum class Shape { kRound, kSquare };
template <>
struct EnumNames<Shape> {
  static constexpr std::pair<Shape, std::string_view> kNames[] = {{Shape::kRound, "round"},
                                                                  {Shape::kSquare, "square"}};
};

struct ToyOptions {
  std::int64_t count = 8;
  int small = 1;
  double rate = 0.5;
  bool enabled = false;
  std::string name = "a \"quoted\" name";
  Shape shape = Shape::kRound;
  std::vector<std::int64_t> sizes;
  std::vector<std::string> words{"one"};
  std::optional<double> limit;
};

template <class Visitor>
void describe(Visitor& visit, ToyOptions& o) {
  visit(Field{.name = "count", .help = "how many", .min = 1, .max = 4096}, o.count);
  visit(Field{.name = "small", .help = "a 32-bit number"}, o.small);
  visit(Field{.name = "rate", .help = "per second", .min = 0, .max = 1}, o.rate);
  visit(Field{.name = "enabled", .help = "on or off"}, o.enabled);
  visit(Field{.name = "name", .help = "what it is called"}, o.name);
  visit(Field{.name = "shape", .help = "its outline"}, o.shape);
  visit(Field{.name = "sizes", .help = "widths", .min = 1}, o.sizes);
  visit(Field{.name = "words", .help = "labels"}, o.words);
  visit(Field{.name = "limit", .help = "none = unlimited"}, o.limit);
}

namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::vector<KeyAlias> kAliases{{"old.number", "toy.count"}, {"top", "toy.name"}};

ToyOptions read_document(const ConfigDocument& document) {
  ToyOptions toy;
  ConfigReader read(document, kAliases);
  read("toy", toy);
  read.finish();
  return toy;
}

ToyOptions read_text(const std::string& text, const std::vector<std::string>& overrides = {}) {
  auto document = ConfigDocument::parse(text, "c.yaml", kAliases);
  document.apply_overrides(overrides, kAliases);
  return read_document(document);
}

std::string failure(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    read_text(text, overrides);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    return e.what();
  }
  return "no failure";
}

TEST(ConfigReader, FillsEveryKindOfField) {
  const auto toy = read_text(
      "toy:\n  count: 1e3\n  rate: 0.25\n  enabled: true\n  name: no\n  shape: square\n"
      "  sizes: [1, 2]\n  words: [no, 010, 'x y']\n  limit: 3\n");
  EXPECT_EQ(toy.count, 1000);
  EXPECT_EQ(toy.rate, 0.25);
  EXPECT_TRUE(toy.enabled);
  EXPECT_EQ(toy.name, "no");
  EXPECT_EQ(toy.shape, Shape::kSquare);
  EXPECT_THAT(toy.sizes, ElementsAre(1, 2));
  EXPECT_THAT(toy.words, ElementsAre("no", "010", "x y"));
  EXPECT_EQ(toy.limit, 3.0);
}

TEST(ConfigReader, AbsentKeysKeepTheirDefaults) {
  const auto toy = read_text("toy:\n");
  EXPECT_EQ(toy.count, 8);
  EXPECT_EQ(toy.limit, std::nullopt);
}

TEST(ConfigReader, NamesPlaceFindingAndAllowedValues) {
  EXPECT_EQ(failure("toy:\n  count: \"32\"\n"),
            "c.yaml:2:10: 'toy.count' is the quoted text \"32\"\n"
            "  allowed: integer 1..4096; default 8\n  write it without quotes");
  EXPECT_THAT(failure("toy: {count: 3.5}"), HasSubstr("3.5, which is not a whole number"));
  EXPECT_THAT(failure("toy: {count: -1}"), HasSubstr("-1, which is out of range"));
  EXPECT_THAT(failure("toy: {count: 1:30}"), HasSubstr("the text '1:30'"));
  EXPECT_THAT(failure("toy: {count: [1]}"), HasSubstr("'toy.count' is a list"));
  EXPECT_THAT(failure("toy: {count: }"), HasSubstr("'toy.count' is nothing (null)"));
  EXPECT_THAT(failure("toy: {small: 3000000000}"), HasSubstr("out of range"));
  EXPECT_THAT(failure("toy: {rate: .nan}"), HasSubstr("not finite"));
  EXPECT_THAT(failure("toy: {enabled: yes}"), HasSubstr("not true or false"));
  EXPECT_THAT(failure("toy: {sizes: 3}"), HasSubstr("list of: integer from 1"));
  EXPECT_THAT(failure("toy: {sizes: [0]}"), HasSubstr("out of range"));
  EXPECT_THAT(failure("toy: {name: [x]}"), HasSubstr("is a list"));
  EXPECT_THAT(failure("toy: {name: \"${HOME}/x\"}"), HasSubstr("variables like ${...}"));
}

TEST(ConfigReader, SuggestsNearNames) {
  EXPECT_EQ(failure("toy:\n  cuont: 1\n"),
            "c.yaml:2:3: unknown key 'cuont' in 'toy' (did you mean 'count'?)\n"
            "  allowed: count, enabled, limit, name, rate, shape, sizes, small, words");
  EXPECT_THAT(failure("toy: {shape: sqare}"), HasSubstr("(did you mean 'square'?)"));
  EXPECT_THAT(failure("tow: {}"), HasSubstr("unknown section 'tow' (did you mean 'toy'?)"));
  EXPECT_THAT(failure("count: 1"), HasSubstr("it belongs in section 'toy'"));
  EXPECT_THAT(failure("toy: 3"), HasSubstr("section 'toy' must hold keys, but is 3"));
}

TEST(ConfigReader, ReportsAllProblemsAtOnce) {
  EXPECT_THAT(failure("toy:\n  count: 0\n  rate: 2\n"),
              AllOf(StartsWith("c.yaml:2:10:"), HasSubstr("\nc.yaml:3:9:")));
}

TEST(ConfigReader, EscapesWhatItEchoes) {
  EXPECT_THAT(failure("toy: {\"a\\x1b[31m\": 1}"), Not(HasSubstr("\x1b")));
}

TEST(ConfigDocument, MovesOlderNamesToTheirPlace) {
  EXPECT_EQ(read_text("old: {number: 5}\ntop: x\n", {}).count, 5);
  EXPECT_THAT(failure("old: {number: 5}\ntoy: {count: 6}\n"),
              HasSubstr("'old.number' is the older name of 'toy.count', which is given too"));
}

TEST(ConfigDocument, OverridesWinAndTheLastOfTwoCounts) {
  EXPECT_EQ(read_text("toy: {count: 2}", {"toy.count=3"}).count, 3);
  EXPECT_EQ(read_text("toy: {count: 2}", {"toy.count=3", "toy.count=4"}).count, 4);
  EXPECT_EQ(read_text("toy: {count: 2}", {"old.number=9"}).count, 9);
  EXPECT_THAT(read_text("toy: {count: 2}", {"toy.sizes=[4, 5]"}).sizes, ElementsAre(4, 5));
  EXPECT_EQ(read_text("toy:", {"toy.count=3"}).count, 3);
}

TEST(ConfigDocument, NamesTheWrongOverride) {
  EXPECT_THAT(failure("toy: {}", {"toy.count"}), HasSubstr("--set toy.count: an override reads"));
  EXPECT_THAT(
      failure("toy: {}", {"toy.cuont=1"}),
      StartsWith("--set toy.cuont=1: unknown key 'cuont' in 'toy' (did you mean 'count'?)"));
  EXPECT_THAT(failure("toy: {}", {"toy.count=many"}), StartsWith("--set toy.count=many: "));
  EXPECT_THAT(failure("toy: {}", {"toy=1"}), HasSubstr("must hold keys"));
}

TEST(ConfigDocument, RootMustBeAMap) {
  EXPECT_THAT(failure(""), HasSubstr("the config is empty"));
  EXPECT_THAT(failure("- a\n"), HasSubstr("but this is a list"));
  EXPECT_THAT(failure("7\n"), HasSubstr("but this is 7"));
}

TEST(ConfigDocument, NamesAFileThatIsMissingOrAFolder) {
  EXPECT_THROW(ConfigDocument::load("/nonexistent/c.yaml"), Error);
  EXPECT_THROW(ConfigDocument::load("/"), Error);
  EXPECT_THROW(ConfigDocument::load("/dev/zero"), Error);
}

TEST(ConfigWriter, WrittenConfigReadsBack) {
  ToyOptions toy;
  toy.rate = 1e-7;
  toy.sizes = {3, 5};
  toy.name = "no # \\ \n \"x\"";
  FieldLister list;
  list("toy", toy);
  const auto yaml = config_yaml(list.fields());
  EXPECT_THAT(yaml, HasSubstr("# how many (integer 1..4096)"));
  const auto again = read_text(yaml);
  EXPECT_EQ(to_json(again).dump(), to_json(toy).dump());
}

TEST(ConfigWriter, ReferenceNamesEveryField) {
  ToyOptions toy;
  FieldLister list;
  list("toy", toy);
  EXPECT_THAT(config_markdown(list.fields(), kAliases),
              AllOf(HasSubstr("| `count` | `8` | integer 1..4096 | how many |"),
                    HasSubstr("| `old.number` | `toy.count` |")));
  const auto schema = config_schema(list.fields(), kAliases);
  EXPECT_EQ(schema["properties"]["toy"]["properties"]["count"]["maximum"], 4096);
  EXPECT_EQ(schema["properties"]["toy"]["properties"]["sizes"]["type"], "array");
}

}  // namespace
}  // namespace medaug
