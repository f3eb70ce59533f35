// SPDX-License-Identifier: MIT
#include "checkpoint/load_gemma.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"({"model_type":"gemma","vocab_size":30,"hidden_size":16,
  "intermediate_size":32,"num_hidden_layers":3,"num_attention_heads":2,"num_key_value_heads":1,
  "head_dim":8,"max_position_embeddings":32})";

/// A folder as transformers writes it, with random weights.
class LoadGemma : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    write("config.json", kConfig);
    at::manual_seed(3);
    for (const auto& [name, shape] : gemma_layout(read_gemma_options(folder_))) {
      tensors_.emplace_back(name, at::randn(shape) * 0.2);
    }
    write_safetensors(folder_ / "model.safetensors", tensors_);
  }

  at::Tensor& tensor(const std::string& name) {
    return std::find_if(tensors_.begin(), tensors_.end(),
                        [&](const auto& item) { return item.first == name; })
        ->second;
  }
  at::Tensor feature() const {
    const auto ids = at::tensor({2, 5, 9, 29}, at::kLong).unsqueeze(0);
    return load_gemma(folder_, at::kCPU, at::kFloat)->feature(ids, at::ones_like(ids));
  }
  std::string refusal() const {
    write_safetensors(folder_ / "model.safetensors", tensors_);
    return error_of([&] { load_gemma(folder_, at::kCPU, at::kFloat); });
  }

  NamedTensors tensors_;
};

TEST_F(LoadGemma, ReadsWhatTheFeaturesNeed) {
  const auto model = load_gemma(folder_, at::kCPU, at::kFloat);
  EXPECT_EQ(model->named_parameters().size(), 1U + 2 * 9);
  for (const auto& item : model->named_parameters()) {
    EXPECT_TRUE(item.value().equal(tensor(item.key()))) << item.key();
    EXPECT_FALSE(item.value().requires_grad());
  }
}

TEST_F(LoadGemma, FromShardsWithPrefixGivesTheSameFeatures) {
  const auto want = feature();
  fs::remove(folder_ / "model.safetensors");
  NamedTensors first, second;
  std::string map;
  for (const auto& [name, value] : tensors_) {
    auto& file = first.size() < 10 ? first : second;
    map += (map.empty() ? "" : ",") + std::string("\"model.") + name + "\":\"" +
           (&file == &first ? "a" : "b") + ".safetensors\"";
    file.emplace_back("model." + name, value);
  }
  write_safetensors(folder_ / "a.safetensors", first);
  write_safetensors(folder_ / "b.safetensors", second);
  write("model.safetensors.index.json", R"({"weight_map":{)" + map + "}}");
  EXPECT_TRUE(feature().equal(want));
}

TEST_F(LoadGemma, ReadsIntoBfloat16) {
  const auto model = load_gemma(folder_, at::kCPU, at::kBFloat16);
  EXPECT_EQ(model->dtype(), at::kBFloat16);
  EXPECT_TRUE(model->named_parameters()["layers.1.mlp.up_proj.weight"].equal(
      tensor("layers.1.mlp.up_proj.weight").to(at::kBFloat16)));
  EXPECT_THAT(
      error_of([&] { load_gemma(folder_, at::kCPU, at::kHalf); }, ErrorCode::kInvalidArgument),
      HasSubstr("allowed: Float, BFloat16"));
}

TEST_F(LoadGemma, ReadsTheLastLayerNotAtAll) {
  const auto want = feature();
  for (auto& [name, value] : tensors_) {
    if (name.starts_with("layers.2.") || name == "norm.weight") {
      value.fill_(std::nan(""));
    }
  }
  tensors_.emplace_back("lm_head.weight", at::zeros({30, 16}));
  write_safetensors(folder_ / "model.safetensors", tensors_);
  EXPECT_TRUE(feature().equal(want));
  std::erase_if(tensors_, [](const auto& item) { return item.first.starts_with("layers.2."); });
  write_safetensors(folder_ / "model.safetensors", tensors_);
  EXPECT_TRUE(feature().equal(want));
}

TEST_F(LoadGemma, RefusesATensorThatIsMissing) {
  std::erase_if(tensors_,
                [](const auto& item) { return item.first == "layers.1.mlp.up_proj.weight"; });
  EXPECT_THAT(refusal(), AllOf(HasSubstr("has no tensor 'layers.1.mlp.up_proj.weight'"),
                               HasSubstr("it has 'layers.")));
}

TEST_F(LoadGemma, RefusesATensorThatIsTooMany) {
  tensors_.emplace_back("layers.1.self_attn.q_proj.bias", at::zeros({16}));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("tensor 'layers.1.self_attn.q_proj.bias'"),
                               HasSubstr("is not part of a Gemma of this size")));
}

TEST_F(LoadGemma, RefusesAnotherShapeOrDtypeEvenInTheLastLayer) {
  tensor("layers.2.mlp.up_proj.weight") = at::zeros({16, 32});
  EXPECT_THAT(refusal(), HasSubstr("has shape [16, 32], config.json needs [32, 16]"));
  tensor("layers.2.mlp.up_proj.weight") = at::zeros({32, 16}, at::kChar);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("is I8"), HasSubstr("quantised")));
}

TEST_F(LoadGemma, RefusesAnotherModelByItsConfig) {
  write("config.json", R"({"model_type":"llama"})");
  EXPECT_THAT(refusal(), HasSubstr("config.json: model_type: is \"llama\""));
  write("config.json", "[]");
  EXPECT_THAT(refusal(), HasSubstr("is not a JSON object"));
  fs::remove(folder_ / "config.json");
  EXPECT_THAT(refusal(), HasSubstr("config.json: cannot open"));
}

TEST_F(LoadGemma, HashChangesWithWeightsAndConfig) {
  const auto hash = [&] { return gemma_hash(folder_, sha256_file); };
  const auto before = hash();
  EXPECT_EQ(hash(), before);
  write("config.json", std::string(kConfig) + "\n");
  EXPECT_NE(hash(), before);
  write("config.json", kConfig);
  tensor("norm.weight").add_(1.0);
  write_safetensors(folder_ / "model.safetensors", tensors_);
  EXPECT_NE(hash(), before);
}

}  // namespace
}  // namespace medaug
