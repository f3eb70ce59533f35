// SPDX-License-Identifier: MIT
#include "inference/output_writer.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "data/mask_labels.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

class OutputFolder : public ::testing::Test {
 protected:
  OutputFolder() {
    auto name = (fs::temp_directory_path() / "medaug_out_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~OutputFolder() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path folder_;
};

PreprocessOptions classes(std::int64_t k) {
  PreprocessOptions options;
  options.mask_classes = k;
  return options;
}

TEST(LabelMap, IsReadBackAsTheSameClasses) {
  auto planes = at::zeros({2, 4, 4}, at::kFloat);
  planes[0][0].fill_(1.0);
  planes[1][2].fill_(0.6);
  const auto map = label_map(planes, classes(2));
  EXPECT_TRUE(
      split_mask(map.pixels.to(at::kInt), classes(2), "").eq(planes.ge(0.5)).all().item<bool>());
}

TEST(LabelMap, Uses255ForOneClassAndTheStoredLabelsWhenThereAreAny) {
  const auto planes = at::full({1, 2, 2}, 1.0, at::kFloat);
  EXPECT_EQ(label_map(planes, classes(1)).pixels.max().item<int>(), 255);
  auto options = classes(1);
  options.mask_labels = {7};
  EXPECT_EQ(label_map(planes, options).pixels.max().item<int>(), 7);
  options.mask_labels = {600};
  EXPECT_EQ(label_map(planes, options).bit_depth, 16);
}

TEST(LabelMap, KeepsALesionSmallerThanHalfAPixel) {
  auto planes = at::zeros({1, 4, 4}, at::kFloat);
  planes[0][1][2] = 0.1;
  const auto map = label_map(planes, classes(1));
  EXPECT_EQ(map.pixels[0][1][2].item<int>(), 255);
  EXPECT_EQ(map.pixels.sum().item<int>(), 255);
  EXPECT_EQ(label_map(at::zeros({1, 4, 4}), classes(1)).pixels.max().item<int>(), 0);
}

TEST(StoredForm, KeepsDepthAndTurnsColourGreyWhenWanted) {
  const auto deep = stored_form(at::full({1, 2, 2}, 1.0, at::kFloat), 1, 16);
  EXPECT_EQ(deep.bit_depth, 16);
  EXPECT_EQ(deep.pixels.max().item<int>(), 65535);
  const auto grey = stored_form(at::full({3, 2, 2}, 0.0, at::kFloat), 1, 8);
  EXPECT_EQ(grey.channels(), 1);
  EXPECT_EQ(grey.pixels.max().item<int>(), 128);
}

TEST_F(OutputFolder, EveryPictureCarriesWhereItComesFrom) {
  Provenance provenance;
  provenance.version = "9.9";
  provenance.checkpoint_sha256 = "abc";
  provenance.precision = "float32";
  provenance.settings.sampler.steps = 5;
  provenance.settings.sampler.solver = Solver::kHeun;
  provenance.settings.guidance.text = 2.5;
  OutputWriter writer(folder_, "made.jsonl", provenance, classes(1));
  MadeImage made;
  made.number = 3;
  made.request = {"a lesion, Größe 3 mm", at::full({1, 8, 8}, 1.0, at::kFloat), 77};
  made.pixels = at::zeros({1, 8, 8}, at::kFloat);
  made.fields = {{"label", 2}, {"scanner", "X"}};
  const auto line = writer.write(made);
  EXPECT_EQ(line["image_path"], "images/000003.png");
  EXPECT_EQ(line["mask_path"], "masks/000003.png");
  EXPECT_EQ(line["scanner"], "X");
  EXPECT_EQ(line["synthetic"], true);
  const auto text = read_png_text(folder_ / "images/000003.png");
  EXPECT_EQ(text.at("seed"), "77");
  EXPECT_EQ(text.at("steps"), "5");
  EXPECT_EQ(text.at("guidance"), "2.5");
  EXPECT_EQ(text.at("solver"), "heun");
  EXPECT_EQ(text.at("checkpoint_sha256"), "abc");
  EXPECT_EQ(text.at("synthetic"), "true");
  EXPECT_EQ(text.at("medaug_version"), "9.9");
  EXPECT_EQ(text.at("caption"), "a lesion, Größe 3 mm");
  EXPECT_EQ(text.at("Disclaimer"), kResearchNotice);
  write_contact_sheet(folder_, {line}, classes(1), "title");
  EXPECT_TRUE(fs::exists(folder_ / "contact_sheet.png"));
}

}  // namespace
}  // namespace medaug
