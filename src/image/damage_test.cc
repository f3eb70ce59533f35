// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "image/image.h"
#include "image/test_files.h"

namespace medaug {
namespace {

using testing::TempFolder;

/// One file with a few bytes changed, or cut, at random.
std::string damaged(std::string file, RandomStream& stream) {
  const std::uint64_t changes = 1 + stream.below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    file[stream.below(file.size())] = static_cast<char>(stream.below(256));
  }
  if (stream.chance(0.3)) {
    file.resize(stream.below(file.size()));
  }
  return file;
}

/// Sets the checksums right again, so that damage gets past them to what lies behind.
std::string with_right_checksums(std::string file) {
  std::size_t at = 8;
  while (at + 12 <= file.size()) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<unsigned char>(file[at + i]);
    }
    if (length > file.size() - at - 12) {
      break;
    }
    const std::string chunk =
        testing::png_chunk(file.substr(at + 4, 4), file.substr(at + 8, length));
    file.replace(at, chunk.size(), chunk);
    at += chunk.size();
  }
  return file;
}

class Damage : public ::testing::TestWithParam<std::string> {};

// Whatever the damage, a file is either read or refused with an Error that names it.
TEST_P(Damage, IsReadOrRefusedButNeverWorse) {
  const TempFolder folder;
  const std::string good = testing::encoded(GetParam(), 23, 17, 3);
  RandomStream stream(11, Purpose::kPhantom);
  int refused = 0;
  for (int i = 0; i < 120; ++i) {
    std::string bad = damaged(good, stream);
    if (GetParam() == ".png" && i % 2 == 0) {
      bad = with_right_checksums(bad);
    }
    const auto path = folder.write("x" + GetParam(), bad);
    for (const bool as_mask : {false, true}) {
      try {
        const DecodeLimits limits{.max_pixels = 1'000'000};
        as_mask ? void(read_mask_levels(path, limits)) : void(read_image(path, limits));
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData);
        EXPECT_FALSE(e.where().empty());
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 30);
}

INSTANTIATE_TEST_SUITE_P(Formats, Damage, ::testing::Values(".png", ".jpg", ".tif", ".bmp"));

}  // namespace
}  // namespace medaug
