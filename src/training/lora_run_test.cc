// SPDX-License-Identifier: MIT
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "checkpoint/test_folder.h"
#include "models/lora.h"
#include "training/adapter_file.h"
#include "training/base_model.h"
#include "training/test_run.h"

// Runs that start from another model, with and without adapters.

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LoraRun : public test::RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    base_ = run(config("base", 6)).best_model;
  }

  RunConfig adapted(const std::string& name, std::int64_t steps,
                    std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"training.init_from=" + base_.string(), "lora.rank=4"});
    return config(name, steps, more);
  }

  fs::path base_;
};

TEST_F(LoraRun, ResumedRunEndsWithTheSameBytes) {
  const std::vector<std::string> more{"lora.dropout=0.2", "training.state_dtype=bfloat16",
                                      "training.checkpoint_activations=true"};
  const auto whole = run(adapted("whole", 6, more));
  run(adapted("parts", 2, more));
  run(adapted("parts", 5, more), true);
  const auto parts = run(adapted("parts", 6, more), true);
  EXPECT_EQ(parts.state.step, 6);
  EXPECT_EQ(state_hash(parts), state_hash(whole));
  EXPECT_EQ(sha256_file(parts.last_step / kAdapterFile),
            sha256_file(whole.last_step / kAdapterFile));
}

TEST_F(LoraRun, CheckpointsHoldAdaptersAndEndsOnly) {
  const auto result = run(adapted("run", 2));
  EXPECT_EQ(result.best_model.filename(), kBestAdapterFile);
  EXPECT_FALSE(fs::exists(result.last_step / kInferenceFile));
  for (const auto& [name, tensor] :
       read_safetensors(result.last_step / "state.safetensors").tensors) {
    const auto parameter = name.substr(name.find('.') + 1);
    EXPECT_TRUE(name == "tokenizer" || is_adapter(parameter) || is_new_end(parameter)) << name;
  }
  const auto file = read_safetensors(result.best_model);
  EXPECT_TRUE(file.tensors.contains("base_model.model.layers.0.attention.wk_y.lora_A.weight"));
  EXPECT_TRUE(file.tensors.contains("base_model.model.mask_mid.bias"));
  EXPECT_EQ(file.metadata.at("rank"), "4");
  EXPECT_EQ(file.metadata.at("base_sha256"), sha256_file(base_));
  EXPECT_EQ(file.metadata.at("base"), "../base/checkpoints/best_model.safetensors");
}

TEST_F(LoraRun, WhatIsFrozenKeepsItsBytes) {
  const auto result = run(adapted("run", 5));
  const auto before = read_model_weights(base_), after = read_model_weights(result.best_model);
  ASSERT_EQ(before.tensors.size(), after.tensors.size());
  int changed = 0;
  for (const auto& [name, tensor] : after.tensors) {
    const bool target =
        name.find("dit.layers.") == 0 && (name.find(".attention.w") != std::string::npos ||
                                          name.find(".feed_forward.w") != std::string::npos);
    const bool same = tensor.equal(before.tensors.at(name));
    changed += same ? 0 : 1;
    EXPECT_TRUE(same || target || is_new_end(name)) << name;
    EXPECT_FALSE(same && target) << name;
  }
  EXPECT_GT(changed, 18);
  EXPECT_EQ(before.info.tokenizer, after.info.tokenizer);
  EXPECT_EQ(before.info.flow.data_std, after.info.flow.data_std);
}

TEST_F(LoraRun, MergedModelDoesWhatTheAdaptersDo) {
  const auto path = run(adapted("run", 8, {"lora.alpha=7"})).best_model;
  const auto merged = load_model_file(path, at::kCPU, at::kFloat);
  auto weights = read_model_weights(base_);
  Generator model(weights.info.generator, std::nullopt);
  fill_weights(model, weights);
  const auto file = read_adapter_file(path);
  add_lora(model, file.info.lora, 1);
  const at::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    if (const auto found = file.tensors.find(item.key()); found != file.tensors.end()) {
      item.value().copy_(found->second);
    }
  }
  at::manual_seed(1);
  Conditions conditions;
  conditions.tokens = at::randint(3, weights.info.generator.vocabulary, {2, 5}, at::kLong);
  conditions.token_mask = at::ones({2, 5}, at::kBool);
  conditions.mask = at::rand({2, 1, 32, 32}).round();
  conditions.mask_present = at::ones({2});
  const auto z = at::randn({2, 1, 32, 32}), time = at::rand({2});
  const auto predict = [&](const Generator& g) {
    return g.predict(z, time, {g.encode_text(conditions)}, conditions);
  };
  const auto bare = load_model_file(base_, at::kCPU, at::kFloat);
  const auto want = predict(model), got = predict(*merged.model);
  EXPECT_LT((want - got).abs().max().item<float>(), 1e-5F);
  EXPECT_GT((want - predict(*bare.model)).abs().max().item<float>(), 1e-3F);
}

TEST_F(LoraRun, AMovedOrChangedBaseIsNamed) {
  const auto path = run(adapted("run", 1)).best_model;
  const auto message = [&] {
    return test::error_of([&] { load_model_file(path, at::kCPU, at::kFloat); });
  };
  const auto away = folder_ / "away.safetensors";
  fs::rename(base_, away);
  EXPECT_THAT(message(), HasSubstr("its base model ../base/checkpoints/best_model.safetensors is "
                                   "not there\n  put it back, or name it: --checkpoint BASE"));
  const auto other = read_safetensors(away);
  NamedTensors tensors(other.tensors.begin(), other.tensors.end());
  auto metadata = other.metadata;
  metadata["more"] = "x";
  write_safetensors(base_, tensors, metadata);
  EXPECT_THAT(message(), HasSubstr("was trained on another model"));
  EXPECT_THAT(test::error_of([&] { run(adapted("run", 2), true); }),
              HasSubstr("belongs to another run: init_from is"));
}

TEST_F(LoraRun, NewMaskPlanesStartAtZero) {
  const std::vector<std::string> no_masks{"data.mask_classes=0", "model.conv_channels=[]"};
  const auto base = run(config("blind", 4, no_masks)).best_model;
  const auto c = config("seeing", 3,
                        {"model.conv_channels=[]", "lora.rank=2",
                         "training.init_from=" + base.string(), "training.validate_every=1"});
  const auto result = run(c);
  const auto after = read_model_weights(result.best_model);
  EXPECT_GT(after.tensors.at("dit.mask_embedder.weight").abs().max().item<float>(), 0.0F);
  EXPECT_EQ(after.info.generator.dit.mask_classes, 1);
  auto opened = open_base_model(base);
  auto options = opened.weights.info.generator;
  options.dit.mask_classes = 1;
  Generator model(options, std::nullopt);
  start_from(model, opened);
  EXPECT_EQ(model.named_parameters()["dit.mask_mid.weight"].abs().max().item<float>(), 0.0F);
  EXPECT_EQ(model.named_parameters()["dit.mask_embedder.weight"].abs().max().item<float>(), 0.0F);
}

TEST_F(LoraRun, AnotherNetworkIsRefusedBeforeARunFolderIsMade) {
  auto c = adapted("run", 1);
  c.model.dim = 96;
  EXPECT_THAT(test::error_of([&] { run(c); }, ErrorCode::kConfig),
              HasSubstr("model.dim is 96, the model's is 64"));
  EXPECT_FALSE(fs::exists(c.run_folder));
}

TEST_F(LoraRun, AllWeightsMayStartFromAModelToo) {
  const auto result = run(
      config("full", 1, {"training.init_from=" + base_.string(), "training.learning_rate=1e-12"}));
  const auto before = read_model_weights(base_), after = read_model_weights(result.best_model);
  for (const auto& [name, tensor] : after.tensors) {
    EXPECT_TRUE(at::allclose(tensor, before.tensors.at(name), 0, 1e-6)) << name;
  }
}

TEST_F(LoraRun, AdaptersWithoutAModelOrWithUnknownTargetsAreRefused) {
  EXPECT_THAT(test::error_of([&] { config("run", 1, {"lora.rank=4"}); }, ErrorCode::kConfig),
              HasSubstr("set training.init_from"));
  EXPECT_THAT(
      test::error_of([&] { adapted("run", 1, {"lora.targets=[wq, wz]"}); }, ErrorCode::kConfig),
      HasSubstr("unknown target 'wz'"));
}

TEST_F(LoraRun, Bf16StateTrainsToTheSameLoss) {
  const auto loss = [&](const std::string& name, const std::string& dtype) {
    return run(config(name, 60, {"training.state_dtype=" + dtype})).state.validation_loss;
  };
  const double full = loss("float", "float32"), half = loss("half", "bfloat16");
  EXPECT_NEAR(half, full, 0.05 * full);
  EXPECT_LT(half, 0.8 * run(config("short", 1)).state.validation_loss);
}

}  // namespace
}  // namespace medaug
