// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& json, std::int64_t data_bytes = 8) {
  return test::error_of([&] { parse_safetensors_header(json, data_bytes, "w.safetensors"); });
}

/// A header with one tensor 'x' of these fields.
std::string with(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

const std::string kTwo =
    R"({"__metadata__":{"a":"b"},"y":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},)"
    R"("x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )";

TEST(SafetensorsHeader, ReadsEntriesInTheOrderOfTheirData) {
  const auto header = parse_safetensors_header(kTwo, 8, "w");
  EXPECT_EQ(header.metadata, (Metadata{{"a", "b"}}));
  ASSERT_EQ(header.entries.size(), 2U);
  EXPECT_EQ(header.entries[0].name, "x");
  EXPECT_TRUE(header.entries[0].shape.empty());
  EXPECT_EQ(header.entries[1].name, "y");
  EXPECT_EQ(header.entries[1].shape, (std::vector<std::int64_t>{2}));
}

TEST(SafetensorsHeader, AcceptsNoTensorAndEmptyTensors) {
  EXPECT_TRUE(parse_safetensors_header("{}", 0, "w").entries.empty());
  const auto header = parse_safetensors_header(with(R"("F32")", "[3,0,2]", "[0,0]"), 0, "w");
  EXPECT_EQ(header.entries[0].shape, (std::vector<std::int64_t>{3, 0, 2}));
}

TEST(SafetensorsHeader, NamesFileAndTensor) {
  EXPECT_EQ(refusal(with(R"("F31")", "[2]", "[0,8]")),
            "w.safetensors: tensor 'x': unknown dtype 'F31'\n"
            "  allowed: BOOL, U8, I8, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64");
}

TEST(SafetensorsHeader, RefusesBrokenJson) {
  EXPECT_THAT(refusal(" {}"), HasSubstr("its header is not a JSON object"));
  EXPECT_THAT(refusal("[]"), HasSubstr("its header is not a JSON object"));
  EXPECT_THAT(refusal("{} x"), HasSubstr("its header is not a JSON object"));
  EXPECT_THAT(refusal("{}\n"), HasSubstr("its header is not a JSON object"));
  EXPECT_THAT(refusal("{\"\xFF\":1}"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("{} {}"), HasSubstr("parse error"));
  EXPECT_THAT(refusal("{\"a\":" + std::string(100'000, '[') + "}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(R"({"x":{},"x":{}})"), HasSubstr("key 'x' stands twice"));
}

TEST(SafetensorsHeader, RefusesWrongFields) {
  EXPECT_THAT(refusal(R"({"x":{"dtype":"F32","shape":[2]}})"), HasSubstr("must have exactly"));
  EXPECT_THAT(refusal(R"({"x":3})"), HasSubstr("must have exactly"));
  EXPECT_THAT(refusal(R"({"x":{"dtype":"F32","shape":[2],"offset":[0,8]}})"),
              HasSubstr("has no 'data_offsets'"));
  EXPECT_THAT(refusal(with("3", "[2]", "[0,8]")), HasSubstr("'dtype' is a number"));
  EXPECT_THAT(refusal(with(R"("F32")", "2", "[0,8]")), HasSubstr("'shape' is a number"));
  EXPECT_THAT(refusal(with(R"("F32")", "[2]", "[0,4,8]")), HasSubstr("two numbers"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})", 0), HasSubstr("metadata 'a' is not text"));
  EXPECT_THAT(refusal(R"({"__metadata__":[]})", 0), HasSubstr("is not an object"));
}

TEST(SafetensorsHeader, RefusesWrongNumbers) {
  const std::string f32 = R"("F32")";
  EXPECT_THAT(refusal(with(f32, "[-2]", "[0,8]")), HasSubstr("dimension -2 is not a whole number"));
  EXPECT_THAT(refusal(with(f32, "[3.5]", "[0,8]")), HasSubstr("dimension 3.5"));
  EXPECT_THAT(refusal(with(f32, "[18446744073709551615]", "[0,8]")), HasSubstr("dimension 18446"));
  EXPECT_THAT(refusal(with(f32, "[4294967296,4294967296]", "[0,8]")), HasSubstr("overflows"));
  EXPECT_THAT(refusal(with(f32, "[2]", "[8,0]")), HasSubstr("begins after its end"));
  EXPECT_THAT(refusal(with(f32, "[2]", "[0,7]")), HasSubstr("7 bytes of data, its shape needs 8"));
  EXPECT_THAT(refusal(with(f32, "[2]", "[-8,0]")), HasSubstr("offset -8"));
  std::string many = "[1";
  for (int i = 0; i < 9999; ++i) {
    many += ",1";
  }
  EXPECT_THAT(refusal(with(f32, many + "]", "[0,4]")), HasSubstr("has 10000 dimensions"));
}

TEST(SafetensorsHeader, RefusesDataThatDoesNotFit) {
  const std::string tail = R"(,"y":{"dtype":"U8","shape":[4],"data_offsets":)";
  const auto two = [&](const std::string& offsets) {
    std::string json = with(R"("F32")", "[1]", "[0,4]");
    json.pop_back();
    return json + tail + offsets + "}}";
  };
  EXPECT_THAT(refusal(two("[4,8]"), 7), HasSubstr("tensor 'y': ends at byte 8 of the data"));
  EXPECT_THAT(refusal(two("[4,8]"), 9), HasSubstr("1 bytes after its last tensor"));
  EXPECT_THAT(refusal(two("[3,7]"), 7), HasSubstr("'y': overlaps the tensor before it"));
  EXPECT_THAT(refusal(two("[5,9]"), 9), HasSubstr("'y': leaves a gap"));
  EXPECT_THAT(refusal(two("[0,4]"), 4), HasSubstr("overlaps"));
}

TEST(SafetensorsHeader, RefusesStrangeNames) {
  const auto named = [](const std::string& name) {
    return R"({")" + name + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  };
  for (const std::string name : {"../x", "a/../b", "..", "a\\u0000b", "a\\nb", "\\u202ea"}) {
    EXPECT_THAT(refusal(named(name)), HasSubstr("name is not allowed")) << name;
  }
  EXPECT_THAT(refusal(named("")), HasSubstr("empty name"));
  EXPECT_NO_THROW(parse_safetensors_header(named("层.0.weight"), 8, "w"));
}

TEST(SafetensorsHeader, RefusesTooManyTensorsAndTooMuchMetadata) {
  std::string json = "{";
  for (int i = 0; i <= 100'000; ++i) {
    json += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":{}";
  }
  EXPECT_THAT(refusal(json + "}"), HasSubstr("has more than 100000 keys"));
  const std::string metadata =
      R"({"__metadata__":{"a":")" + std::string(50'000'000, 'm') + R"("}})";
  EXPECT_THAT(refusal(metadata, 0), HasSubstr("has 50 MB of metadata"));
}

TEST(SafetensorsHeader, SurvivesEveryFlippedBit) {
  for (std::size_t bit = 0; bit < 8 * kTwo.size(); ++bit) {
    std::string flipped = kTwo;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      parse_safetensors_header(flipped, 8,
                               "w");  // another name, or a dtype of the same size, is legal
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::kCheckpoint) << e.what();
    }
  }
}

TEST(SafetensorsHeader, ReadsWhatItWrote) {
  const std::vector<TensorEntry> entries{{"b", "F32", {1, 2}, 0, 8}, {"a", "U8", {3}, 8, 11}};
  const std::string bytes = format_safetensors_header(entries, {{"k", "v\"\n"}});
  EXPECT_EQ(bytes.size() % 8, 0U);
  const auto header = parse_safetensors_header(std::string_view(bytes).substr(8), 11, "w");
  EXPECT_EQ(header.entries[1].name, "a");
  EXPECT_EQ(header.metadata.at("k"), "v\"\n");
}

TEST(ForeignFormat, KnowsCommonMistakes) {
  EXPECT_THAT(foreign_format("version https://git-lfs.github.com/spec/v1").hint,
              HasSubstr("git lfs pull"));
  EXPECT_THAT(foreign_format("PK\x03\x04....").hint, HasSubstr("torch.load("));
  EXPECT_THAT(foreign_format("\x80\x02}q").name, HasSubstr("pickle"));
  EXPECT_THAT(foreign_format("GGUF\x03").name, HasSubstr("GGUF"));
  EXPECT_EQ(foreign_format("\x40\0\0\0\0\0\0\0{").name, "");
}

}  // namespace
}  // namespace medaug
