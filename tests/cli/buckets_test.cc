// SPDX-License-Identifier: MIT
// Training on pictures of two shapes, and generate and augment in the shapes of their masks and
// sources, through the real program.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fields.h"
#include "base/files.h"
#include "image/image.h"
#include "tiny_run.h"

namespace medaug::test {
namespace {

/// The phantom's pictures, every second one cut to its upper half; every third record without its
/// mask.
void write_two_shapes(const fs::path& folder) {
  std::string text;
  std::int64_t number = 0;
  for (const auto& line : lines_of(folder / "train.jsonl")) {
    auto record = Json::parse(line);
    if (++number % 2 == 0) {
      for (const char* key : {"image_path", "mask_path"}) {
        const auto file = folder / record[key].get<std::string>();
        auto image = read_image(file);
        image.pixels = image.pixels.narrow(1, 0, image.height() / 2).contiguous();
        write_png(file, image);
      }
    }
    if (number % 3 == 0) {
      record.erase("mask_path");
    }
    text.append(record.dump()).append("\n");
  }
  write_file_atomically(folder / "shapes.jsonl", text);
}

/// 80 x 48: the bucket nearest to 2 : 1.
bool is_wide(const Image& image) { return image.width() == 80 && image.height() == 48; }

TEST(BucketsCli, ImagesHaveTheShapesOfTheirMasksAndSources) {
  const TemporaryFolder folder;
  const auto medaug = [&](const std::vector<std::string>& arguments) {
    const auto outcome = run_medaug(arguments, folder.path());
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  };
  medaug({"phantom", "set", "--count", "12", "--size", "64"});
  write_two_shapes(folder.path() / "set");
  const auto manifest = (folder.path() / "set/shapes.jsonl").string();
  medaug({"train", "--config", (source_folder() / "configs/tiny.yaml").string(), "--output", "run",
          "--set", "data.train_data=" + manifest, "--set",
          "data.val_data=" + (folder.path() / "set/val.jsonl").string(), "--set",
          "data.image_size=64", "--set", "data.buckets=true", "--set", "training.max_minutes=0",
          "--set", "training.max_steps=2", "--set", "training.batch_size=4"});
  medaug({"generate", "--checkpoint", "run", "--manifest", manifest, "--output", "made", "--steps",
          "2"});
  medaug({"augment", "--checkpoint", "run", "--manifest", manifest, "--output", "more", "--steps",
          "2"});
  medaug({"generate", "--checkpoint", "run", "--manifest", manifest, "--output", "square", "--size",
          "64", "--steps", "2"});
  std::int64_t number = 0;
  const auto made = lines_of(folder.path() / "made/generated.jsonl");
  const auto more = lines_of(folder.path() / "more/manifest.jsonl");
  const auto square = lines_of(folder.path() / "square/generated.jsonl");
  for (const auto& line : lines_of(manifest)) {
    const auto at = static_cast<std::size_t>(number);
    const auto record = Json::parse(line);
    const auto image_of = [&](const char* name, const std::string& entry) {
      return read_image(folder.path() / name / Json::parse(entry)["image_path"].get<std::string>());
    };
    const bool wide = ++number % 2 == 0;
    EXPECT_EQ(is_wide(image_of("made", made.at(at))), wide && record.contains("mask_path"))
        << number;
    EXPECT_EQ(is_wide(image_of("more", more.at(at))), wide) << number;
    EXPECT_FALSE(is_wide(image_of("square", square.at(at)))) << number;
  }
  EXPECT_EQ(number, std::ssize(made));
}

}  // namespace
}  // namespace medaug::test
