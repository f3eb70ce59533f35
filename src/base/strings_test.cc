// SPDX-License-Identifier: MIT
#include "base/strings.h"

#include <gtest/gtest.h>

namespace medaug {
namespace {

const std::vector<std::string> kKeys{"learning_rate", "batch_size", "grad_clip", "seed"};

TEST(Nearest, FindsMisspeltKeys) {
  EXPECT_EQ(nearest("learning_rat", kKeys), "learning_rate");
  EXPECT_EQ(nearest("leraning_rate", kKeys), "learning_rate");
  EXPECT_EQ(nearest("sede", kKeys), "seed");
  EXPECT_EQ(nearest("batchsize", kKeys), "batch_size");
}

TEST(Nearest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("momentum", kKeys), "");
  EXPECT_EQ(nearest("", kKeys), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'a'), kKeys), "");
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Base64, EncodesTheExamplesOfTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFB\xFF\xFE"), "+//+");
}

TEST(Base64Decoded, IsTheReverse) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decoded(base64(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
}

TEST(Base64Decoded, RefusesWhatNoEncoderWrites) {
  for (const char* text : {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9",
                           "Zh==", "Zm9=", "Zm9-", "Zm_v"}) {
    EXPECT_FALSE(base64_decoded(text)) << text;
  }
}

TEST(Printable, KeepsTextOfAnyLanguage) {
  EXPECT_EQ(printable("眼底 image π 🙂"), "眼底 image π 🙂");
}

TEST(Printable, EscapesWhatMovesOrHides) {
  EXPECT_EQ(printable("a\nb\x1b[2J"), "a\\x0ab\\x1b[2J");
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b"),
            "a\\xe2\\x80\\xaeb");  // U+202E, right-to-left override
  EXPECT_EQ(printable("\xFF\xC0\x80"), "\\xff\\xc0\\x80");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("眼底", 4), "眼...");
}

TEST(HumanBytes, RoundsToTwoOrThreeFigures) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1.44e9), "1.4 GB");
  EXPECT_EQ(human_bytes(312.2e6), "312 MB");
  EXPECT_EQ(human_bytes(999.9e6), "1.0 GB");
}

TEST(HumanSeconds, ChangesUnits) {
  EXPECT_EQ(human_seconds(8.14), "8.1 s");
  EXPECT_EQ(human_seconds(59.99), "1 min 00 s");
  EXPECT_EQ(human_seconds(250), "4 min 10 s");
  EXPECT_EQ(human_seconds(7380), "2 h 03 min");
  EXPECT_EQ(human_seconds(-1), "?");
}

TEST(Utf8, RefusesOverlongSurrogateAndCutForms) {
  EXPECT_TRUE(valid_utf8("é 中 🙂"));
  EXPECT_FALSE(valid_utf8("\xC0\xAF"));          // overlong '/'
  EXPECT_FALSE(valid_utf8("\xE0\x80\xAF"));      // overlong
  EXPECT_FALSE(valid_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(valid_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
  EXPECT_FALSE(valid_utf8("\xE4\xB8"));          // cut
}

TEST(Utf8, EncodesWhatItDecodes) {
  for (const char32_t c : {U'a', U'é', U'中', U'🙂', char32_t{0x10FFFF}}) {
    std::string text;
    append_utf8(text, c);
    EXPECT_EQ(decode_utf8(text, 0).value, c);
    EXPECT_EQ(decode_utf8(text, 0).length, text.size());
  }
}

}  // namespace
}  // namespace medaug
