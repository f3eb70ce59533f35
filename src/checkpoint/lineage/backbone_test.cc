// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/backbone.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "checkpoint/lineage/test_backbone.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TensorMap;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Backbone : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    weights_ = test::random_weights(test::small_backbone());
  }
  fs::path file() const { return folder_ / "consolidated.00-of-01.safetensors"; }
  std::string refusal(const TensorMap& weights) const {
    test::save(file(), weights);
    return error_of([&] { open_backbone(file()); });
  }
  /// As diffusers saves it.
  fs::path diffusers(const TensorMap& weights, const std::string& more = "") const {
    const auto folder = folder_ / "diffusers";
    fs::create_directories(folder);
    test::save(folder / "diffusion_pytorch_model.safetensors", weights);
    write("diffusers/config.json", R"({"_class_name": "LuminaNextDiT2DModel")" + more + "}");
    return folder;
  }
  std::string diffusers_refusal(const TensorMap& weights, const std::string& more = "") const {
    const auto folder = diffusers(weights, more);
    return error_of([&] {
      const auto backbone = open_backbone(folder);
      for (const auto& tensor : backbone.tensors()) {
        backbone.read(tensor.name);
      }
    });
  }
  TensorMap weights_;
};

TEST_F(Backbone, TellsTheOptionsFromTheShapes) {
  test::save(file(), weights_);
  const auto backbone = open_backbone(file());
  const auto &got = backbone.options(), want = test::small_backbone();
  EXPECT_EQ(backbone.layout(), BackboneLayout::kLumina);
  EXPECT_EQ(got.dim, want.dim);
  EXPECT_EQ(got.layers, want.layers);
  EXPECT_EQ(got.heads, want.heads);
  EXPECT_EQ(got.kv_heads, want.kv_heads);
  EXPECT_EQ(got.in_channels, 4);
  EXPECT_EQ(got.out_channels, 4);
  EXPECT_EQ(got.caption_dim, want.caption_dim);
  EXPECT_EQ(got.qk_norm, QkNorm::kLayer);
  EXPECT_TRUE(got.learn_sigma);
  EXPECT_EQ(ffn_hidden(got), ffn_hidden(want));
  EXPECT_EQ(got.mask_classes, 0);
}

TEST_F(Backbone, TellsAnyHiddenWidth) {
  for (const double multiplier : {0.0, 0.3, 1.3, 2.0}) {
    auto options = test::small_backbone();
    options.ffn_multiplier = multiplier;
    options.ffn_multiple_of = 3;
    test::save(file(), test::random_weights(options));
    EXPECT_EQ(ffn_hidden(open_backbone(file()).options()), ffn_hidden(options)) << multiplier;
  }
}

TEST_F(Backbone, GivesTheNumbersAsTheyAreStored) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const auto weights = test::random_weights(test::small_backbone(), dtype);
    const auto diffusers_form = diffusers(test::in_diffusers_form(weights));
    test::save(file(), weights);
    for (const auto& path : {file(), diffusers_form}) {
      const auto backbone = open_backbone(path);
      ASSERT_EQ(backbone.tensors().size(), weights.size());
      for (const auto& tensor : backbone.tensors()) {
        const auto got = backbone.read(tensor.name);
        EXPECT_EQ(got.scalar_type(), dtype);
        EXPECT_TRUE(got.equal(weights.at(tensor.name))) << tensor.name;
      }
    }
  }
}

TEST_F(Backbone, ReadsTheOlderNamesOfDiffusers) {
  auto weights = test::in_diffusers_form(weights_);
  const auto rename = [&](const std::string& now, const std::string& before) {
    auto moved = weights.extract(now);
    ASSERT_FALSE(moved.empty()) << now;
    moved.key() = before;
    weights.insert(std::move(moved));
  };
  rename("patch_embedder.proj.weight", "patch_embedder.weight");
  rename("layers.0.norm1.norm.weight", "layers.0.attn_norm1.weight");
  rename("layers.0.norm2.weight", "layers.0.attn_norm2.weight");
  rename("layers.1.norm1.linear.weight", "layers.1.adaLN_modulation.1.weight");
  const auto backbone = open_backbone(diffusers(weights));
  for (const auto& tensor : backbone.tensors()) {
    EXPECT_TRUE(backbone.read(tensor.name).equal(weights_.at(tensor.name))) << tensor.name;
  }
  weights["layers.0.norm2.weight"] = weights.at("layers.0.attn_norm2.weight");
  EXPECT_THAT(diffusers_refusal(weights), HasSubstr("under another name, too"));
}

TEST_F(Backbone, RefusesMissingSurplusAndMisshapenTensors) {
  auto weights = weights_;
  weights.erase("layers.1.ffn_norm2.weight");
  EXPECT_THAT(refusal(weights), HasSubstr("tensor 'layers.1.ffn_norm2.weight': is missing"));
  weights = weights_;
  weights["layers.1.extra.weight"] = at::ones({2});
  EXPECT_THAT(refusal(weights), HasSubstr("'layers.1.extra.weight': is not part of this network"));
  weights = weights_;
  weights["layers.1.attention.wv.weight"] = at::ones({16, 31});
  EXPECT_THAT(refusal(weights), HasSubstr("has shape [16, 31], this network needs [16, 32]"));
  weights = weights_;
  weights["layers.00.attention.gate"] = at::ones({4});
  EXPECT_THAT(refusal(weights), HasSubstr("'layers.00.attention.gate'"));
}

TEST_F(Backbone, RefusesShapesThatNoNetworkHas) {
  const auto with = [&](const std::string& name, const at::Tensor& tensor) {
    auto weights = weights_;
    weights[name] = tensor;
    return refusal(weights);
  };
  EXPECT_THAT(with("x_embedder.weight", at::ones({32})), HasSubstr("has shape [32]"));
  EXPECT_THAT(with("x_embedder.weight", at::ones({0, 16})), HasSubstr("has shape [0, 16]"));
  EXPECT_THAT(with("x_embedder.weight", at::ones({32, 15})), HasSubstr("--patch-size"));
  EXPECT_THAT(with("layers.0.attention.gate", at::ones({0})), HasSubstr("has shape [0]"));
  EXPECT_THAT(with("layers.0.attention.gate", at::ones({5})), HasSubstr("heads"));
  EXPECT_THAT(with("layers.0.attention.gate", at::ones({32})), HasSubstr("multiple of 4"));
  EXPECT_THAT(with("final_layer.linear.weight", at::ones({48, 32})), HasSubstr("has 48 rows"));
  EXPECT_THAT(with("layers.0.adaLN_modulation.1.weight", at::ones({96, 32})),
              HasSubstr("has 96 rows, 4 x 32 are needed"));
}

TEST_F(Backbone, NamesTheFirstUploadWithItsSixWayModulation) {
  auto weights = weights_;
  for (const std::string layer : {"layers.0.", "layers.1."}) {
    weights[layer + "adaLN_modulation.1.weight"] = at::ones({6 * 32, 32});
    weights[layer + "adaLN_modulation.1.bias"] = at::ones({6 * 32});
  }
  weights["final_layer.adaLN_modulation.1.weight"] = at::ones({2 * 32, 32});
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("six parts"), HasSubstr("8.42 GB")));
}

TEST_F(Backbone, RefusesOtherDtypes) {
  auto weights = weights_;
  weights["pad_token"] = at::ones({32}, at::kDouble);
  EXPECT_THAT(refusal(weights), HasSubstr("'pad_token': is of dtype F64"));
  weights["pad_token"] = at::ones({32}, at::kInt);
  EXPECT_THAT(refusal(weights), HasSubstr("weights are F32, BF16 or F16"));
}

TEST_F(Backbone, RefusesNumbersThatAreNotFiniteUnlessToldNotToLook) {
  auto weights = weights_;
  weights["layers.0.feed_forward.w1.weight"][7][3] = std::nan("");
  test::save(file(), weights);
  const std::string name = "layers.0.feed_forward.w1.weight";
  EXPECT_THAT(error_of([&] { open_backbone(file()).read(name); }),
              AllOf(HasSubstr(name), HasSubstr("not finite")));
  ImportOptions unchecked;
  unchecked.check_finite = false;
  EXPECT_EQ(open_backbone(file(), unchecked).read(name).isnan().sum().item<int>(), 1);
}

TEST_F(Backbone, RefusesCopiesOfDiffusersThatDiffer) {
  for (const std::string name : {"layers.1.attn2.to_q.weight", "layers.0.attn2.norm_q.bias"}) {
    auto weights = test::in_diffusers_form(weights_);
    weights[name] = weights[name].clone();
    weights[name].view({-1})[5] += 0.001;
    EXPECT_THAT(diffusers_refusal(weights), AllOf(HasSubstr(name), HasSubstr("differs from")));
    weights.erase(name);
    EXPECT_THAT(diffusers_refusal(weights), HasSubstr("'" + name + "': is missing"));
  }
}

TEST_F(Backbone, RefusesAConfigOfAnotherModel) {
  const auto weights = test::in_diffusers_form(weights_);
  EXPECT_THAT(diffusers_refusal(weights, R"(, "num_layers": 3)"),
              AllOf(HasSubstr("num_layers"), HasSubstr("is 3, the tensors have 2")));
  EXPECT_THAT(diffusers_refusal(weights, R"(, "qk_norm": false)"), HasSubstr("qk_norm"));
  EXPECT_THAT(diffusers_refusal(weights, R"(, "num_kv_heads": "2")"), HasSubstr("num_kv_heads"));
  EXPECT_THAT(diffusers_refusal(weights, R"(, "num_attention_heads": 8)"), HasSubstr("4 heads"));
  EXPECT_THAT(diffusers_refusal(weights, "]"), HasSubstr("config.json"));
  write("diffusers/config.json", R"({"_class_name": "Lumina2Transformer2DModel"})");
  EXPECT_THAT(error_of([&] { open_backbone(folder_ / "diffusers"); }),
              HasSubstr("Lumina-Image-2.0 is another network"));
}

TEST_F(Backbone, TakesTheEpsilonFromTheConfig) {
  const auto weights = test::in_diffusers_form(weights_);
  EXPECT_EQ(open_backbone(diffusers(weights, R"(, "norm_eps": 1e-6, "sample_size": 64)"))
                .options()
                .norm_eps,
            1e-6);
  EXPECT_EQ(open_backbone(folder_ / "diffusers").sample_size(), 64);
}

TEST_F(Backbone, SaysWhatOtherFilesAre) {
  EXPECT_THAT(refusal({{"model.embed_tokens.weight", at::ones({2, 2})}}), HasSubstr("Gemma"));
  EXPECT_THAT(refusal({{"encoder.conv_in.weight", at::ones({1})},
                       {"decoder.conv_in.weight", at::ones({1})}}),
              HasSubstr("autoencoder"));
  EXPECT_THAT(refusal({{"x", at::ones({1})}}), HasSubstr("holds no NextDiT"));
  write("consolidated.00-of-01.safetensors",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 6509545600\n");
  EXPECT_THAT(error_of([&] { open_backbone(folder_); }), HasSubstr("git-lfs pointer"));
}

TEST_F(Backbone, RefusesAFileThatIsCutOrTooLong) {
  test::save(file(), weights_);
  const auto bytes = fs::file_size(file());
  fs::resize_file(file(), bytes - 1);
  EXPECT_THAT(error_of([&] { open_backbone(file()); }), HasSubstr("the file is cut"));
  fs::resize_file(file(), bytes + 8);
  EXPECT_THAT(error_of([&] { open_backbone(file()); }), HasSubstr("8 bytes after its last tensor"));
}

NextDiTInput some_input(const NextDiTOptions& options) {
  NextDiTInput in;
  in.x = at::randn({2, options.in_channels, 8, 12});
  in.time = at::full({2}, 0.4);
  in.caption = at::randn({2, 5, options.caption_dim});
  in.caption_mask = at::ones({2, 5}, at::kBool);
  return in;
}

TEST_F(Backbone, AddedMaskPlanesLeaveTheOutputBitEqual) {
  const at::NoGradGuard no_grad;
  test::save(file(), weights_);
  ImportOptions with_mask;
  with_mask.mask_classes = 3;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto plain = load_backbone(open_backbone(file()), dtype);
    const auto masked = load_backbone(open_backbone(file(), with_mask), dtype);
    auto in = some_input(plain->options());
    const auto want = plain->forward(in);
    EXPECT_GT(want.abs().max().item<float>(), 0.01);
    EXPECT_TRUE(masked->forward(in).equal(want));
    in.mask = at::rand({2, 3, 8, 12}).round();
    EXPECT_TRUE(masked->forward(in).equal(want));
    in.mask_present = at::zeros({2});
    EXPECT_TRUE(masked->forward(in).equal(want));
  }
}

TEST_F(Backbone, AddedMaskPlanesLearnFromTheFirstStep) {
  test::save(file(), weights_);
  ImportOptions with_mask;
  with_mask.mask_classes = 1;
  const auto network = load_backbone(open_backbone(file(), with_mask), at::kFloat);
  for (auto& parameter : network->parameters()) {
    parameter.set_requires_grad(true);
  }
  auto in = some_input(network->options());
  in.mask = at::rand({2, 1, 8, 12}).round();
  network->forward(in).square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    if (item.key().starts_with("mask_") && item.key().ends_with("weight")) {
      EXPECT_GT(item.value().grad().abs().max().item<float>(), 0.0) << item.key();
    }
  }
}

TEST_F(Backbone, RefusesMaskPlanesOnTopOfOthers) {
  auto options = test::small_backbone();
  options.mask_classes = 2;
  TensorMap ours;
  for (const auto& [name, tensor] : test::random_weights(options)) {
    ours["dit." + name] = tensor;
  }
  const Json description{{"model", to_json(options)}};
  test::save(folder_ / "model.safetensors", ours,
             {{"format", kBackboneFormat}, {"medaug", description.dump()}});
  EXPECT_EQ(open_backbone(folder_).options().mask_classes, 2);
  ImportOptions other;
  other.mask_classes = 3;
  EXPECT_THAT(error_of([&] { open_backbone(folder_, other); }),
              HasSubstr("2 mask classes already"));
}

}  // namespace
}  // namespace medaug
