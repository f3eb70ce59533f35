// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/export.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/json.h"
#include "checkpoint/lineage/test_backbone.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TensorMap;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Export : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    weights_ = test::random_weights(test::small_backbone());
    test::save(source(), weights_);
  }
  fs::path source() const { return folder_ / "source.safetensors"; }
  /// Opens `from` and writes it as `layout` into a folder of that name.
  fs::path convert(const fs::path& from, const std::string& folder, BackboneLayout layout,
                   ExportDtype dtype = ExportDtype::kKeep) const {
    export_backbone(open_backbone(from), folder_ / folder, {.layout = layout, .dtype = dtype});
    return folder_ / folder;
  }
  std::string bytes_in(const fs::path& folder, BackboneLayout layout) const {
    return read(export_files(layout, folder).front());
  }
  /// A file of medaug with these options and description.
  fs::path ours(const NextDiTOptions& options, Json description = Json::object(),
                TensorMap others = {}, bool zero_masks = false) const {
    for (auto [name, tensor] : test::random_weights(options)) {
      if (zero_masks && name.starts_with("mask_")) {
        tensor.zero_();
      }
      others["dit." + name] = tensor;
    }
    description["model"] = to_json(options);
    const auto path = folder_ / "ours.safetensors";
    test::save(path, others, {{"format", "medaug-model-1"}, {"medaug", description.dump()}});
    return path;
  }
  std::string refusal(const fs::path& file) const {
    const auto text = error_of([&] { convert(file, "refused", BackboneLayout::kLumina); });
    EXPECT_FALSE(fs::exists(folder_ / "refused"));
    return text;
  }
  TensorMap weights_;
};

TEST_F(Export, AWayThroughAllFormsEndsInTheSameBytes) {
  const auto first = convert(source(), "1", BackboneLayout::kLumina);
  const auto ours = convert(first, "2", BackboneLayout::kMedaug);
  const auto diffusers = convert(ours, "3", BackboneLayout::kDiffusers);
  const auto last = convert(diffusers, "4", BackboneLayout::kLumina);
  EXPECT_EQ(bytes_in(last, BackboneLayout::kLumina), bytes_in(first, BackboneLayout::kLumina));
  const auto file = read_safetensors(export_files(BackboneLayout::kLumina, last).front());
  ASSERT_EQ(file.tensors.size(), weights_.size());
  for (const auto& [name, tensor] : weights_) {
    EXPECT_TRUE(file.at(name).equal(tensor)) << name;
  }
}

TEST_F(Export, GivesDiffusersItsConfigAndCopies) {
  const auto folder = convert(source(), "d", BackboneLayout::kDiffusers);
  const auto file = read_safetensors(folder / "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(file.metadata.at("format"), "pt");
  for (const auto& [name, tensor] : test::in_diffusers_form(weights_)) {
    EXPECT_TRUE(file.at(name).equal(tensor)) << name;
  }
  const auto config = parse_json(read(folder / "config.json"), "config");
  EXPECT_EQ(config.at("_class_name"), "LuminaNextDiT2DModel");
  EXPECT_EQ(config.at("hidden_size"), 32);
  EXPECT_EQ(config.at("num_kv_heads"), 2);
  EXPECT_EQ(config.at("cross_attention_dim"), 24);
  EXPECT_EQ(config.at("qk_norm"), true);
}

TEST_F(Export, KeepsWhatTheTensorsDoNotTell) {
  ImportOptions options;
  options.known.norm_eps = 1e-6;
  options.known.sample_size = 64;
  export_backbone(open_backbone(source(), options), folder_ / "m", {});
  const auto back = convert(convert(convert(folder_ / "m", "d", BackboneLayout::kDiffusers), "l",
                                    BackboneLayout::kLumina),
                            "d2", BackboneLayout::kDiffusers);
  EXPECT_EQ(open_backbone(back).options().norm_eps, 1e-6);
  EXPECT_EQ(open_backbone(folder_ / "d").sample_size(), 64);
}

TEST_F(Export, RoundsToTheDtypeThatIsAskedFor) {
  const auto folder = convert(source(), "b", BackboneLayout::kLumina, ExportDtype::kBfloat16);
  const auto file = read_safetensors(export_files(BackboneLayout::kLumina, folder).front());
  for (const auto& [name, tensor] : weights_) {
    EXPECT_TRUE(file.at(name).equal(tensor.to(at::kBFloat16))) << name;
  }
  const auto wide = convert(folder, "f", BackboneLayout::kLumina, ExportDtype::kFloat32);
  EXPECT_EQ(open_backbone(wide).stored_dtypes(), "F32");
}

TEST_F(Export, ReportsWhatItWrote) {
  std::int64_t steps = 0;
  ExportOptions options;
  options.layout = BackboneLayout::kDiffusers;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(done, ++steps);
    EXPECT_EQ(total, static_cast<std::int64_t>(test::in_diffusers_form(weights_).size()));
  };
  const auto made = export_backbone(open_backbone(source()), folder_ / "d", options);
  EXPECT_EQ(made.tensors, steps);
  EXPECT_EQ(made.bytes, made.parameters * 4);
}

TEST_F(Export, LeavesNothingBehindWhenTheWeightsAreDamaged) {
  weights_["pad_token"][3] = INFINITY;
  test::save(source(), weights_);
  EXPECT_THAT(error_of([&] { convert(source(), "x", BackboneLayout::kLumina); }),
              HasSubstr("not finite"));
  EXPECT_TRUE(fs::is_empty(folder_ / "x"));
}

TEST_F(Export, RefusesEndsThatThePublishedFormsDoNotHave) {
  const auto with = [&](const auto& change) {
    auto options = test::small_backbone();
    change(options);
    return refusal(ours(options));
  };
  EXPECT_THAT(with([](auto& o) { o.bottleneck = 8; }), HasSubstr("bottleneck"));
  EXPECT_THAT(with([](auto& o) { o.modulation = Modulation::kShared; }), HasSubstr("modulation"));
  EXPECT_THAT(with([](auto& o) { o.augment_features = 3; }), HasSubstr("augment vector"));
  EXPECT_THAT(with([](auto& o) { o.out_channels = 3; }), HasSubstr("out_channels"));
  EXPECT_THAT(with([](auto& o) { o.caption_dim = 0; }), HasSubstr("no captions"));
  EXPECT_THAT(with([](auto& o) { o.rope_theta = 500.0; }), HasSubstr("rope_theta"));
  EXPECT_THAT(with([](auto& o) {
                o.conv_channels = {8, 16};
                o.learn_sigma = false;
              }),
              HasSubstr("conv_channels"));
}

TEST_F(Export, RefusesAModelThatTheOthersSamplersCouldNotUse) {
  EXPECT_THAT(refusal(ours(test::small_backbone(), {}, {{"text.x", at::ones({2})}})),
              HasSubstr("text encoder of its own"));
  const Json image{{"flow", {{"prediction", "image"}}}};
  EXPECT_THAT(refusal(ours(test::small_backbone(), image)), HasSubstr("predicts the image"));
  const Json velocity{{"flow", {{"prediction", "velocity"}}}};
  convert(ours(test::small_backbone(), velocity), "fine", BackboneLayout::kLumina);
}

TEST_F(Export, DropsMaskPlanesThatWereNotTrainedAndOthersOnRequest) {
  auto options = test::small_backbone();
  options.mask_classes = 2;
  const auto untrained = ours(options, {}, {}, true);
  EXPECT_EQ(open_backbone(convert(untrained, "u", BackboneLayout::kLumina)).options().mask_classes,
            0);
  const auto trained = ours(options);
  EXPECT_THAT(refusal(trained), AllOf(HasSubstr("trained mask planes"), HasSubstr("--drop-mask")));
  export_backbone(open_backbone(trained), folder_ / "t",
                  {.layout = BackboneLayout::kDiffusers, .drop_mask = true});
  EXPECT_EQ(open_backbone(folder_ / "t").tensors().size(), weights_.size());
}

}  // namespace
}  // namespace medaug
