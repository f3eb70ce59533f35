// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include "base/error.h"
#include "image/image.h"
#include "training/test_run.h"

// Runs on pictures of several shapes.

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BucketsRun : public test::RunTest {
 protected:
  /// Cuts every second picture, with its mask, to its left half.
  void cut_half() const {
    std::size_t count = 0;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "data/images")) {
      files.push_back(entry.path().filename());
    }
    std::sort(files.begin(), files.end());
    for (const auto& name : files) {
      if (count++ % 2 == 0) {
        continue;
      }
      for (const auto& file : {folder_ / "data/images" / name, folder_ / "data/masks" / name}) {
        if (fs::exists(file)) {
          auto image = read_image(file);
          image.pixels = image.pixels.narrow(2, 0, image.width() / 2).contiguous();
          write_png(file, image);
        }
      }
    }
  }
};

TEST_F(BucketsRun, PicturesOfOneShapeTrainAsWithoutThem) {
  const auto plain = run(config("plain", 3));
  const auto buckets = run(config("buckets", 3, {"data.buckets=true"}));
  EXPECT_EQ(state_hash(plain), state_hash(buckets));
}

TEST_F(BucketsRun, SeveralShapesTrainAndResumeToTheSameBytes) {
  cut_half();
  const std::vector<std::string> more{"data.buckets=true", "training.sample_count=4",
                                      "training.accumulation=2"};
  const auto whole = run(config("whole", 4, more));
  run(config("parts", 3, more));
  const auto parts = run(config("parts", 4, more), true);
  EXPECT_EQ(state_hash(parts), state_hash(whole));
  EXPECT_TRUE(std::isfinite(whole.state.best_loss));
  EXPECT_NE(state_hash(whole),
            state_hash(run(config("stretched", 4, {"training.accumulation=2"}))));
}

TEST_F(BucketsRun, NetworksAndSizesThatDoNotGoWithThemAreRefused) {
  const auto refusal = [&](const std::vector<std::string>& more) -> std::string {
    try {
      run(config("refused", 1, more));
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(refusal({"data.buckets=true", "data.image_width=64"}), HasSubstr("square"));
  EXPECT_THAT(refusal({"data.buckets=true", "model.conv_channels=[]", "model.patch_size=32"}),
              HasSubstr("multiples of 16"));
}

}  // namespace
}  // namespace medaug
