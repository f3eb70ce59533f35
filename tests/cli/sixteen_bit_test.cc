// SPDX-License-Identifier: MIT
// A 16-bit grey data set through the whole chain: what comes out is 16-bit grey and uses more than
// 256 levels.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "cli_run.h"
#include "image/image.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;

// Not square, levels over the whole range, a bright disc where the mask is.
void write_data_set(const TemporaryFolder& folder, int count) {
  std::string lines;
  const auto y = at::arange(40, at::kFloat).view({40, 1}), x = at::arange(56, at::kFloat);
  fs::create_directories(folder.path() / "data");
  for (int i = 0; i < count; ++i) {
    const auto name = std::to_string(i);
    const auto disc = ((y - 12 - i).square() + (x - 20 - i).square() < 64.0).to(at::kFloat);
    const auto levels = (x * 400.0 + y * 100.0 + disc * 30000.0).clamp(0, 65535);
    write_png(folder.path() / "data" / (name + ".png"), {levels.unsqueeze(0).to(at::kInt), 16, 1});
    write_png(folder.path() / "data" / (name + "_mask.png"),
              {(disc * 255.0).unsqueeze(0).to(at::kByte), 8, 1});
    lines += "{\"image_path\": \"" + name + ".png\", \"mask_path\": \"" + name +
             "_mask.png\", \"caption\": \"a bright disc number " + name + "\"}\n";
  }
  folder.write("data/train.jsonl", lines);
}

TEST(SixteenBit, TrainGenerateAndAugmentKeepGreyAndDepth) {
  const TemporaryFolder folder;
  write_data_set(folder, 12);
  folder.write("c.yaml",
               "data: {train_data: data/train.jsonl, image_size: 32, mask_classes: 1}\n"
               "model: {preset: tiny}\n"
               "training: {max_steps: 3, num_epochs: 0, batch_size: 4, sample_count: 2}\n");
  const auto trained =
      run_medaug({"train", "--config", "c.yaml", "--output", "run"}, folder.path());
  ASSERT_EQ(trained.status, 0) << trained.err;
  const auto generated = run_medaug({"generate", "--checkpoint", "run", "--manifest",
                                     "data/train.jsonl", "--output", "made", "--steps", "2"},
                                    folder.path());
  ASSERT_EQ(generated.status, 0) << generated.err;
  const auto augmented = run_medaug({"augment", "--checkpoint", "run", "--manifest",
                                     "data/train.jsonl", "--output", "more", "--steps", "2"},
                                    folder.path());
  ASSERT_EQ(augmented.status, 0) << augmented.err;
  int seen = 0;
  for (const auto* const output : {"made/images", "more/images"}) {
    for (const auto& entry : fs::directory_iterator(folder.path() / output)) {
      const auto image = read_image(entry.path());
      EXPECT_EQ(image.bit_depth, 16) << entry.path();
      EXPECT_EQ(image.channels(), 1);
      EXPECT_GT(std::get<0>(at::_unique(image.pixels)).numel(), 256);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 24);
}

}  // namespace
}  // namespace medaug::test
