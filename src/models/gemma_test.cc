// SPDX-License-Identifier: MIT
#include "models/gemma.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"

namespace medaug {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Heads x head_dim differs from the width, and two heads share keys and values.
GemmaOptions tiny() {
  GemmaOptions o;
  o.vocab_size = 50;
  o.hidden_size = 24;
  o.intermediate_size = 40;
  o.num_hidden_layers = 3;
  o.num_attention_heads = 4;
  o.num_key_value_heads = 2;
  o.head_dim = 8;
  o.max_position_embeddings = 64;
  return o;
}

at::Tensor ids(std::vector<std::vector<std::int64_t>> rows, std::int64_t length) {
  auto out = at::zeros({static_cast<std::int64_t>(rows.size()), length}, at::kLong);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out[static_cast<std::int64_t>(i)].narrow(0, 0, std::ssize(rows[i])).copy_(at::tensor(rows[i]));
  }
  return out;
}

at::Tensor mask_of(const at::Tensor& tokens) { return tokens.ne(0); }

at::Tensor feature(const Gemma& model, const at::Tensor& tokens, const GemmaCall& call = {}) {
  return model.feature(tokens, mask_of(tokens), call);
}

at::Tensor parameter(const Gemma& model, const std::string& name) {
  return model.named_parameters()[name];
}

TEST(Gemma, WithBranchesOfZeroReturnsTheScaledEmbedding) {
  const Gemma model(tiny(), 1);
  for (const std::string layer : {"layers.0.", "layers.1."}) {
    parameter(model, layer + "self_attn.o_proj.weight").zero_();
    parameter(model, layer + "mlp.down_proj.weight").zero_();
  }
  parameter(model, "embed_tokens.weight").fill_(2.0);
  const auto out = feature(model, ids({{2, 7}}, 2));
  EXPECT_NEAR(out[0][1][3].item<double>(), 2.0 * 4.898979, 1e-5);  // sqrt(24)
  EXPECT_FALSE(out.requires_grad());
}

TEST(Gemma, RoundsTheFactorOfTheEmbeddingFirst) {
  auto o = tiny();
  o.hidden_size = 2048;  // sqrt = 45.2548, in bfloat16 45.25
  o.num_hidden_layers = 2;
  const auto model = std::make_shared<Gemma>(o, 1);
  model->to(at::kBFloat16);
  parameter(*model, "embed_tokens.weight").fill_(1.0);
  GemmaCall call;
  at::Tensor embedded;
  call.observe = [&](const std::string& name, const at::Tensor& value) {
    embedded = name == "hidden_states.0" ? value : embedded;
  };
  feature(*model, ids({{2}}, 1), call);
  EXPECT_EQ(embedded[0][0][0].item<double>(), 45.25);
  EXPECT_EQ(model->dtype(), at::kBFloat16);
}

TEST(Gemma, PaddingDoesNotChangeRealTokens) {
  const Gemma model(tiny(), 1);
  const auto alone = feature(model, ids({{2, 9, 8, 7}}, 4));
  const auto padded = feature(model, ids({{2, 9, 8, 7}}, 16));
  EXPECT_TRUE(padded.narrow(1, 0, 4).allclose(alone, 1e-5, 1e-6));
  auto tokens = ids({{2, 9, 8, 7}}, 16);
  const auto mask = mask_of(tokens);
  tokens.narrow(1, 4, 12).fill_(33);
  EXPECT_TRUE(model.feature(tokens, mask).narrow(1, 0, 4).allclose(alone, 1e-5, 1e-6));
}

TEST(Gemma, BeginAloneInABatchEqualsABatchOfOneToken) {
  const Gemma model(tiny(), 1);
  const auto batch = feature(model, ids({{2, 4, 5, 6, 7, 8}, {2}, {2, 30}}, 8));
  EXPECT_TRUE(batch[1][0].allclose(feature(model, ids({{2}}, 1))[0][0], 1e-5, 1e-6));
}

TEST(Gemma, CaptionInABatchEqualsCaptionAloneHoweverTheBatchIsCut) {
  const Gemma model(tiny(), 1);
  const auto tokens = ids({{2, 4, 5, 6}, {2, 9, 9, 3}, {2, 30, 1, 12}, {2, 8, 7, 6}}, 8);
  const auto whole = feature(model, tokens);
  for (const std::int64_t most : {1, 8, 17, 24}) {
    GemmaCall call;
    call.tokens_per_pass = most;
    std::int64_t parts = 0;
    call.observe = [&](const std::string& name, const at::Tensor& value) {
      parts += name == "hidden_states.0" ? 1 : 0;
      EXPECT_LE(value.size(0) * value.size(1), std::max<std::int64_t>(most, 8));
    };
    EXPECT_TRUE(feature(model, tokens, call).allclose(whole, 1e-5, 1e-6));
    EXPECT_EQ(parts, most < 16 ? 4 : 2);
  }
  EXPECT_EQ(feature(model, ids({}, 8)).sizes(), at::IntArrayRef({0, 8, 24}));
}

TEST(Gemma, TokensSeeOnlyThoseBeforeThem) {
  const Gemma model(tiny(), 1);
  const auto a = feature(model, ids({{2, 9, 8, 7}}, 4));
  const auto b = feature(model, ids({{2, 9, 8, 6}}, 4));
  const auto c = feature(model, ids({{2, 8, 9, 7}}, 4));
  EXPECT_TRUE(a.narrow(1, 0, 3).equal(b.narrow(1, 0, 3)));
  EXPECT_FALSE(a.allclose(b, 1e-3, 1e-3));
  EXPECT_FALSE(a[0][3].allclose(c[0][3], 1e-5, 1e-5)) << "the order of tokens must count";
}

TEST(Gemma, SharedKeyHeadsServeNeighbouringQueries) {
  const Gemma shared(tiny(), 1);
  auto o = tiny();
  o.num_key_value_heads = o.num_attention_heads;
  const Gemma full(o, 2);
  for (const auto& item : full.named_parameters()) {
    auto source = parameter(shared, item.key());
    if (source.sizes() != item.value().sizes()) {  // keys 0, 1 become 0, 0, 1, 1
      source = source.view({2, 1, 8, 24}).expand({2, 2, 8, 24}).reshape({32, 24});
    }
    item.value().copy_(source);
  }
  const auto tokens = ids({{2, 9, 8, 7, 6, 5}}, 8);
  EXPECT_TRUE(feature(full, tokens).allclose(feature(shared, tokens), 1e-5, 1e-6));
}

TEST(Gemma, StaysNearInBfloat16) {
  const auto model = std::make_shared<Gemma>(tiny(), 1);
  const auto tokens = ids({{2, 9, 8, 7, 6, 5}, {2, 3}}, 8);
  const auto want = feature(*model, tokens);
  model->to(at::kBFloat16);
  const auto got = feature(*model, tokens);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  const auto error = (got.to(at::kFloat) - want).norm() / want.norm();
  EXPECT_LT(error.item<double>(), 0.02);
}

TEST(Gemma, RefusesWhatHasNoEmbedding) {
  const Gemma model(tiny(), 1);
  for (const auto& tokens : {ids({{2, 50}}, 2), ids({{2, -1}}, 2), ids({{2}}, 1).squeeze(0),
                             ids({{2}}, 65), ids({{2}}, 2).to(at::kInt)}) {
    EXPECT_THROW(feature(model, tokens), Error);
  }
  EXPECT_THROW(model.feature(ids({{2}}, 2), at::ones({1, 3})), Error);
}

TEST(Gemma, CountsTheRealNetworkWithoutItsLastLayer) {
  const Gemma model(GemmaOptions{}, std::nullopt, at::kMeta);
  // 256000 x 2048, and 17 of 18 layers of 2 x 2048 x 2048 + 2 x 256 x 2048 + 3 x 2048 x 16384 + 2 x
  // 2048
  EXPECT_EQ(nn::parameter_count(model), 524'288'000 + std::int64_t{17} * 110'104'576);
  std::int64_t whole = 0;
  for (const auto& [name, shape] : gemma_layout({})) {
    whole += c10::multiply_integers(shape);
  }
  EXPECT_EQ(whole, 2'506'172'416);
}

TEST(Gemma, HasTheLayoutOfTheRealOne) {
  const auto* shared = std::getenv("MEDAUG_SHARED");
  const auto path = std::filesystem::path(shared != nullptr ? shared : "../shared") /
                    "golden/gemma_tiny/layout_gemma_2b.json";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << path << " is not there";
  }
  const auto json = parse_json(read_file(path, 1 << 20, ErrorCode::kData), path.string());
  const auto want = json.at("shapes").get<std::map<std::string, std::vector<std::int64_t>>>();
  EXPECT_EQ(gemma_layout({}), want);
}

const std::string kGemma2b = R"({"architectures":["GemmaForCausalLM"],"attention_bias":false,
  "attention_dropout":0.0,"bos_token_id":2,"eos_token_id":1,"head_dim":256,"hidden_act":"gelu",
  "hidden_activation":null,"hidden_size":2048,"initializer_range":0.02,"intermediate_size":16384,
  "max_position_embeddings":8192,"model_type":"gemma","num_attention_heads":8,
  "num_hidden_layers":18,"num_key_value_heads":1,"pad_token_id":0,"rms_norm_eps":1e-06,
  "rope_scaling":null,"rope_theta":10000.0,"torch_dtype":"bfloat16","use_cache":true,
  "vocab_size":256000})";

GemmaOptions parsed(const nlohmann::ordered_json& patch = nlohmann::ordered_json::object()) {
  auto json = parse_json(kGemma2b, "config.json");
  json.merge_patch(patch);
  return gemma_options_from_json(json, "config.json");
}

TEST(GemmaOptions, AreReadFromTransformersConfig) {
  const auto o = parsed();
  EXPECT_EQ(o.vocab_size, 256'000);
  EXPECT_EQ(o.num_hidden_layers, 18);
  EXPECT_EQ(o.head_dim, 256);
  EXPECT_EQ(o.bos_token_id, 2);
  EXPECT_EQ(parsed({{"num_key_value_heads", 4}}).num_key_value_heads, 4);
  EXPECT_EQ(parsed({{"rope_theta", 5000}}).rope_theta, 5000.0);
  const nlohmann::ordered_json newer{
      {"rope_theta", nullptr},
      {"rope_parameters", {{"rope_theta", 7000.0}, {"rope_type", "default"}}}};
  EXPECT_EQ(parsed(newer).rope_theta, 7000.0);
}

std::string refusal(const nlohmann::ordered_json& patch) {
  try {
    parsed(patch);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    return e.what();
  }
  return "(taken)";
}

TEST(GemmaOptions, RefuseOtherModels) {
  for (const std::string type : {"gemma2", "gemma3", "gemma3_text", "llama", "t5"}) {
    EXPECT_THAT(refusal({{"model_type", type}}),
                AllOf(HasSubstr("config.json: model_type: is \"" + type + "\", not \"gemma\""),
                      HasSubstr("google/gemma-2b")));
  }
  EXPECT_THAT(refusal({{"model_type", nullptr}}), HasSubstr("model_type: is missing"));
  EXPECT_THAT(refusal({{"architectures", {"Gemma2ForCausalLM"}}}),
              HasSubstr("not GemmaForCausalLM or GemmaModel"));
  EXPECT_THAT(refusal({{"attention_bias", true}}), HasSubstr("Gemma 1 has no biases"));
  EXPECT_THAT(refusal({{"hidden_act", "silu"}}), HasSubstr("allowed: gelu, gelu_pytorch_tanh"));
  EXPECT_THAT(refusal({{"rope_scaling", {{"type", "linear"}}}}), HasSubstr("rope_scaling"));
  EXPECT_THAT(refusal({{"rope_parameters", {{"rope_type", "yarn"}}}}), HasSubstr("default"));
}

TEST(GemmaOptions, RefuseSizesThatCannotBe) {
  EXPECT_THAT(refusal({{"hidden_size", nullptr}}), HasSubstr("hidden_size: is missing"));
  for (const auto& wrong :
       {nlohmann::ordered_json(0), nlohmann::ordered_json(-1), nlohmann::ordered_json(1.5),
        nlohmann::ordered_json("8"), nlohmann::ordered_json(1e18)}) {
    EXPECT_THAT(refusal({{"hidden_size", wrong}}), HasSubstr("hidden_size: is ")) << wrong;
  }
  EXPECT_THAT(refusal({{"num_hidden_layers", 1}}), HasSubstr("before the last layer"));
  EXPECT_THAT(refusal({{"num_key_value_heads", 3}}), HasSubstr("does not divide the 8 heads"));
  EXPECT_THAT(refusal({{"head_dim", 5}}), HasSubstr("odd"));
  EXPECT_THAT(refusal({{"rms_norm_eps", 0}}), HasSubstr("above 0"));
  EXPECT_THAT(refusal({{"bos_token_id", 256'000}}), HasSubstr("bos_token_id"));
}

}  // namespace
}  // namespace medaug
