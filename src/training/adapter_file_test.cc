// SPDX-License-Identifier: MIT
#include "training/adapter_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "checkpoint/test_folder.h"
#include "nn/layers.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;

class AdapterFileTest : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    const auto tokenizer = Tokenizer::train({"a lesion", "no finding"}, 300, 0);
    info_.tokenizer = tokenizer.serialized();
    auto& options = info_.generator;
    options.vocabulary = tokenizer.size();
    options.text.dim = 32;
    options.text.layers = 1;
    options.dit = nextdit_preset("tiny");
    options.dit.caption_dim = options.text.dim;
    write_model_file(base(), info_, nn::named_parameters(Generator(options)));
  }

  std::filesystem::path base() const { return folder_ / "model.safetensors"; }

  AdapterInfo adapter_info() const {
    AdapterInfo out;
    out.lora.rank = 2;
    out.lora.alpha = 3.0;
    out.base = "model.safetensors";
    out.base_sha256 = sha256_file(base());
    out.model = info_;
    return out;
  }

  /// Random numbers over wq of the first block and the mask's way in.
  NamedTensors tensors(std::uint64_t seed) const {
    at::manual_seed(seed);
    const auto dim = info_.generator.dit.dim;
    return {{"dit.layers.0.attention.wq.lora_A", at::randn({2, dim})},
            {"dit.layers.0.attention.wq.lora_B", at::randn({dim, 2})},
            {"dit.mask_mid.bias", at::randn({dim})}};
  }

  std::filesystem::path write(const std::string& name, const AdapterInfo& info,
                              const NamedTensors& values) const {
    write_adapter_file(folder_ / name, info, values);
    return folder_ / name;
  }

  std::string error_of_loading(const AdapterInfo& info, const NamedTensors& values) const {
    const auto path = write("bad.safetensors", info, values);
    return test::error_of(
        [&] { load_model_file(base(), at::kCPU, at::kFloat, std::vector<AdapterChoice>{{path}}); });
  }

  ModelInfo info_;
};

TEST_F(AdapterFileTest, IsReadBackUnderTheParametersNames) {
  const auto written = tensors(1);
  const auto read = read_adapter_file(write("a.safetensors", adapter_info(), written));
  ASSERT_EQ(read.tensors.size(), written.size());
  for (const auto& [name, tensor] : written) {
    EXPECT_TRUE(read.tensors.at(name).equal(tensor)) << name;
  }
  EXPECT_DOUBLE_EQ(read.info.lora.scale(), 1.5);
}

TEST_F(AdapterFileTest, TwoAdaptersAreTheirSumEachWithItsScale) {
  const auto one = tensors(1), two = tensors(2);
  const std::vector<AdapterChoice> both{{write("one.safetensors", adapter_info(), one), 0.5},
                                        {write("two.safetensors", adapter_info(), two), -2.0}};
  const auto before = read_model_weights(base()), after = read_model_weights(base(), both);
  const std::string layer = "dit.layers.0.attention.wq.weight", end = "dit.mask_mid.bias";
  const auto product = [](const NamedTensors& x) { return x[1].second.mm(x[0].second); };
  const auto& w = before.tensors.at(layer);
  EXPECT_TRUE(at::allclose(after.tensors.at(layer),
                           w + 1.5 * (0.5 * product(one) - 2.0 * product(two)), 1e-6, 1e-6));
  const auto& b = before.tensors.at(end);
  EXPECT_TRUE(at::allclose(after.tensors.at(end),
                           b + 0.5 * (one[2].second - b) - 2.0 * (two[2].second - b), 1e-6, 1e-6));
  EXPECT_NE(after.sha256, before.sha256);
  for (const auto& [name, tensor] : after.tensors) {
    EXPECT_TRUE(name == layer || name == end || tensor.equal(before.tensors.at(name))) << name;
  }
}

TEST_F(AdapterFileTest, NothingIsChangedAtScaleZero) {
  const auto path = write("a.safetensors", adapter_info(), tensors(1));
  const auto same = read_model_weights(base(), std::vector<AdapterChoice>{{path, 0.0}});
  for (const auto& [name, tensor] : read_model_weights(base()).tensors) {
    EXPECT_TRUE(tensor.equal(same.tensors.at(name))) << name;
  }
}

TEST_F(AdapterFileTest, AnotherBaseIsRefused) {
  auto info = adapter_info();
  info.base_sha256 = std::string(64, '0');
  EXPECT_THAT(error_of_loading(info, tensors(1)), HasSubstr("was trained on another model"));
  info = adapter_info();
  info.model.generator.dit.layers = 3;
  EXPECT_THAT(error_of_loading(info, tensors(1)), HasSubstr("another network"));
}

TEST_F(AdapterFileTest, TensorsThatDoNotFitAreNamed) {
  const auto with = [&](const std::string& name, const at::Tensor& value) {
    auto values = tensors(1);
    values.emplace_back(name, value);
    return error_of_loading(adapter_info(), values);
  };
  const auto a = at::randn({2, 64}), b = at::randn({64, 2});
  EXPECT_THAT(with("dit.layers.9.attention.wq.lora_A", a), HasSubstr("is no layer of the base"));
  EXPECT_THAT(with("dit.layers.1.attention.wq.lora_A", a), HasSubstr("only one of lora_A"));
  EXPECT_THAT(with("dit.layers.1.attention.wq.lora_B", b), HasSubstr("without its lora_A"));
  EXPECT_THAT(with("dit.final_layer.linear.bias", at::randn({4})),
              HasSubstr("no part of an adapter"));
  EXPECT_THAT(with("dit.mask_mid.weight", at::randn({4})), HasSubstr("another shape"));
  EXPECT_THAT(with("dit.mask_mid.weight", at::full({4}, NAN)), HasSubstr("not finite"));
  auto narrow = tensors(1);
  narrow[0].second = at::randn({3, 64});
  EXPECT_THAT(error_of_loading(adapter_info(), narrow), HasSubstr("its rank"));
}

TEST_F(AdapterFileTest, OtherFilesAreNoAdapters) {
  EXPECT_FALSE(is_adapter_file(base()));
  EXPECT_THAT(test::error_of([&] { read_adapter_file(base()); }), HasSubstr("is no adapter file"));
  write_safetensors(folder_ / "odd.safetensors", {{"weight", at::zeros({2})}},
                    model_metadata(info_, kAdapterFormat));
  EXPECT_THAT(test::error_of([&] { read_adapter_file(folder_ / "odd.safetensors"); }),
              HasSubstr("lacks lora or base"));
}

}  // namespace
}  // namespace medaug
