// SPDX-License-Identifier: MIT
#include "base/sha256.h"

#include <gtest/gtest.h>

namespace medaug {
namespace {

TEST(Sha256Stream, GivesTheSameForAnyCutting) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text.push_back(static_cast<char>(i * 7));
  }
  Sha256 whole;
  whole.update(text);
  const auto expected = whole.finish();
  for (std::size_t piece = 1; piece < 140; ++piece) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      hash.update(std::string_view(text).substr(at, piece));
    }
    ASSERT_EQ(hash.finish(), expected) << piece;
  }
}

// Digests of n bytes 'a' around one block, from coreutils' sha256sum.
TEST(Sha256Stream, PadsRightAroundTheBlockLength) {
  const auto digest = [](std::size_t n) {
    Sha256 hash;
    hash.update(std::string(n, 'a'));
    return hash.finish();
  };
  EXPECT_EQ(digest(55), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(digest(56), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(digest(63), "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
  EXPECT_EQ(digest(64), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
  EXPECT_EQ(digest(65), "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0");
  EXPECT_EQ(digest(119), "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
  EXPECT_EQ(digest(120), "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c");
  EXPECT_EQ(digest(128), "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e");
}

}  // namespace
}  // namespace medaug
