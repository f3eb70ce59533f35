// SPDX-License-Identifier: MIT
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace medaug {
namespace {

std::vector<std::string> captions() {
  std::vector<std::string> texts;
  for (const std::string size : {"small", "medium-sized", "large"}) {
    for (const std::string place : {"upper left", "upper right", "centre", "lower left"}) {
      texts.push_back("a " + size + " oval lesion in the " + place + " of the image");
    }
  }
  return texts;
}

Tokenizer trained() { return Tokenizer::train(captions(), 512, 0); }

using Ids = std::vector<std::int64_t>;

TEST(Tokenizer, LearnsTheWordsOfTheCaptions) {
  const auto tokenizer = trained();
  EXPECT_LE(tokenizer.size(), 512);
  EXPECT_GT(tokenizer.size(), 260);
  const auto ids = tokenizer.encode(captions()[0], 100);
  EXPECT_EQ(ids.front(), Tokenizer::kBegin);
  EXPECT_LE(ids.size(), 14U);
  EXPECT_EQ(tokenizer.decode(ids), captions()[0]);
}

TEST(Tokenizer, IsTheSameEachTime) {
  EXPECT_EQ(trained().serialized(), trained().serialized());
  const auto again = Tokenizer::load(trained().serialized());
  EXPECT_EQ(again.encode("oval", 9), trained().encode("oval", 9));
  EXPECT_EQ(again.size(), trained().size());
}

TEST(Tokenizer, EncodesWhatItHasNeverSeen) {
  const auto tokenizer = trained();
  for (const std::string text :
       {"黄斑区出血", "👩‍⚕️ ok", "آفة في الجلد", "Größe 5 mm", "zzz QQQ", "x ⇒ y"}) {
    const auto ids = tokenizer.encode(text, 1000);
    EXPECT_EQ(tokenizer.decode(ids), text);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), Tokenizer::kUnknown), 0) << text;
  }
}

TEST(Tokenizer, NormalisesCompatibilityForms) {
  const auto tokenizer = trained();
  EXPECT_EQ(tokenizer.encode("ｏｖａｌ", 50), tokenizer.encode("oval", 50));
  EXPECT_EQ(tokenizer.encode("  oval \n lesion", 50), tokenizer.encode("oval lesion", 50));
}

TEST(Tokenizer, EmptyCaptionIsBeginAlone) {
  EXPECT_EQ(trained().encode("", 8), (Ids{Tokenizer::kBegin}));
  EXPECT_EQ(trained().encode(" \t ", 8), (Ids{Tokenizer::kBegin}));
  EXPECT_EQ(trained().decode({Tokenizer::kPad, Tokenizer::kBegin}), "");
}

TEST(Tokenizer, CutsToTheLimit) {
  const auto tokenizer = trained();
  const auto whole = tokenizer.encode(captions()[0], 100);
  const auto cut = tokenizer.encode(captions()[0], 4);
  ASSERT_EQ(cut.size(), 4U);
  EXPECT_TRUE(std::equal(cut.begin(), cut.end(), whole.begin()));
  EXPECT_EQ(tokenizer.encode(captions()[0], 1), (Ids{Tokenizer::kBegin}));
  EXPECT_THROW(tokenizer.encode("x", 0), Error);
}

TEST(Tokenizer, TrainsOnAlmostNothing) {
  for (const std::vector<std::string>& texts :
       {std::vector<std::string>{}, {"", " "}, {"a"}, {"正常"}, {std::string(5000, 'x')}}) {
    const auto tokenizer = Tokenizer::train(texts, 8000, 0);
    EXPECT_GT(tokenizer.size(), 256);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("any text", 100)), "any text");
  }
}

TEST(Tokenizer, TrainsOnMoreCharactersThanFit) {
  std::vector<std::string> texts;
  for (char32_t c = 0x4E00; c < 0x4E00 + 2000; c += 4) {
    std::string text;
    for (char32_t i = 0; i < 4; ++i) {
      append_utf8(text, c + i);
    }
    texts.push_back(text);
  }
  for (const std::int64_t size : {-1, 300, 512, 4000}) {
    const auto tokenizer = Tokenizer::train(texts, size, 0);
    EXPECT_LE(tokenizer.size(), std::max<std::int64_t>(size, 300));
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(texts[99], 100)), texts[99]);
  }
}

TEST(Tokenizer, PrintsNothing) {
  ::testing::internal::CaptureStderr();
  trained();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Tokenizer, RefusesWhatIsNotAModel) {
  for (const std::string& model : {std::string(), std::string("hello"), std::string(1000, '\xFF'),
                                   trained().serialized().substr(0, 1000)}) {
    try {
      Tokenizer::load(model);
      ADD_FAILURE() << "accepted " << model.size();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    }
  }
}

TEST(Tokenizer, RefusesBadCaptions) {
  EXPECT_THROW(trained().encode("\xFF", 10), Error);
  EXPECT_THROW(trained().encode(std::string(1 << 20, 'a'), 10), Error);
  EXPECT_THROW(Tokenizer::train({"\xFF"}, 512, 0), Error);
}

TEST(Tokenizer, InGemmasStyleLeavesTheTextAsItIs) {
  const auto tokenizer = Tokenizer::load(trained().serialized(), TokenizerStyle::kGemma);
  const auto plain = trained();
  EXPECT_EQ(tokenizer.encode("oval lesion", 50), plain.encode("oval lesion", 50));
  const std::string zero_width = "ov\u200bal";
  EXPECT_EQ(plain.encode(zero_width, 50), plain.encode("oval", 50));
  EXPECT_NE(tokenizer.encode(zero_width, 50), tokenizer.encode("oval", 50));
  EXPECT_EQ(tokenizer.encode("", 50), Ids{tokenizer.begin()});
  EXPECT_EQ(tokenizer.encode("oval lesion", 2).size(), 2U);
  EXPECT_THROW(tokenizer.encode("\xff", 50), Error);
}

std::string refusal(const TokenizerNeeds& needs) {
  try {
    require_fit(trained(), needs);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    return e.what();
  }
  return "";
}

TEST(Tokenizer, OfAnotherModelIsRefused) {
  const auto size = trained().size();
  EXPECT_EQ(refusal({size, Tokenizer::kPad, Tokenizer::kBegin}), "");
  EXPECT_EQ(refusal({size + 50, Tokenizer::kPad, Tokenizer::kBegin}), "");
  for (const TokenizerNeeds needs :
       {TokenizerNeeds{size - 1, 0, 2}, TokenizerNeeds{size + 5000, 0, 2},
        TokenizerNeeds{size, 1, 2}, TokenizerNeeds{size, 0, 1}}) {
    EXPECT_NE(refusal(needs).find("tokenizer of another model"), std::string::npos);
  }
}

TEST(Tokenizer, SaysWhatWasGivenInsteadOfAModel) {
  const auto said = [](const std::string& model) -> std::string {
    try {
      Tokenizer::load(model, TokenizerStyle::kGemma);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(said("version https://git-lfs.github.com/spec/v1\n").find("git-lfs pointer"),
            std::string::npos);
  EXPECT_NE(said("{\"version\": \"1.0\"}").find("not tokenizer.json"), std::string::npos);
}

TEST(TokenBatch, PadsToTheLongestThenToAMultiple) {
  const auto batch = pad_right({{2, 7, 8}, {2}}, 9, 2);
  EXPECT_EQ(batch.length, 4);
  EXPECT_EQ(batch.ids, (Ids{2, 7, 8, 9, 2, 9, 9, 9}));
  EXPECT_EQ(batch.mask, (Ids{1, 1, 1, 0, 1, 0, 0, 0}));
  EXPECT_EQ(pad_right({{2, 7, 8, 9}}, 0, 4).length, 4);
  EXPECT_EQ(pad_right({}, 0, 8).length, 0);
}

}  // namespace
}  // namespace medaug
