// SPDX-License-Identifier: MIT
#include "text/caption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace medaug {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::string& caption) {
  try {
    normalize_caption(caption, "m.jsonl:4", ErrorCode::kData);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.what();
  }
  return "accepted";
}

TEST(NormalizeCaption, FoldsWhiteSpace) {
  EXPECT_EQ(normalize_caption("  a\t\n b\u00a0\u3000c \r\n"), "a b c");
  EXPECT_EQ(normalize_caption(""), "");
  EXPECT_EQ(normalize_caption(" \n "), "");
}

TEST(NormalizeCaption, RemovesWhatNobodySees) {
  EXPECT_EQ(normalize_caption("\ufeffle\u200bsion\u202e, \u2066x\u2069"), "lesion, x");
  EXPECT_EQ(normalize_caption(std::string("a\0b\x1b", 4)), "ab");
}

TEST(NormalizeCaption, KeepsLanguagesAndEmoji) {
  for (const std::string text : {"右上肺结节，直径5毫米", "آفة في الجلد", "نمی‌شود",
                                 "👩‍⚕️ ok", "Größe µm", "Melanom A"}) {
    EXPECT_EQ(normalize_caption(text), text);
  }
}

TEST(NormalizeCaption, RefusesBrokenUtf8AndTooLongOnes) {
  EXPECT_THAT(error_of("ab\xFF"), HasSubstr("m.jsonl:4: is not UTF-8 at byte 2"));
  EXPECT_EQ(error_of(std::string(kMaxCaptionBytes, 'a')), "accepted");
  EXPECT_THAT(error_of(std::string(1 << 20, 'a')), HasSubstr("has 1048576 bytes"));
}

}  // namespace
}  // namespace medaug
