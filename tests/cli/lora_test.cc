// SPDX-License-Identifier: MIT
// Adapters through the real program: trained, generated with, stacked, merged.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tiny_run.h"

namespace medaug::test {
namespace {

using ::testing::HasSubstr;

class LoraProgram : public TinyRun {
 protected:
  static void SetUpTestSuite() {
    TinyRun::SetUpTestSuite();
    const auto trained = medaug(train({"--output", "tuned", "--set", "training.max_steps=6"}));
    ASSERT_EQ(trained.status, 0) << trained.err;
  }

  static std::vector<std::string> train(const std::vector<std::string>& more) {
    const auto config = source_folder() / "configs/tiny.yaml";
    std::vector<std::string> words{"train",
                                   "--config",
                                   config.string(),
                                   "--init",
                                   "run",
                                   "--set",
                                   "lora.rank=4",
                                   "--set",
                                   "data.train_data=" + (base() / "phantom/train.jsonl").string(),
                                   "--set",
                                   "data.val_data=" + (base() / "phantom/val.jsonl").string(),
                                   "--set",
                                   "training.max_minutes=0",
                                   "--set",
                                   "training.batch_size=4",
                                   "--set",
                                   "training.sample_count=0",
                                   "--set",
                                   "training.learning_rate=1e-2",
                                   "--set",
                                   "training.warmup_steps=0"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Bytes of the one image that is made.
  static std::string image(const std::string& output, const std::vector<std::string>& how) {
    std::vector<std::string> words{"generate", "--caption", "a fundus image", "--seed",  "3",
                                   "--steps",  "3",         "--precision",    "float32", "--output",
                                   output};
    words.insert(words.end(), how.begin(), how.end());
    const auto made = medaug(words);
    EXPECT_EQ(made.status, 0) << made.err;
    return read_text(base() / output / "contact_sheet.png");
  }

  static inline const std::string kAdapter = "tuned/checkpoints/best_adapter.safetensors";
};

TEST_F(LoraProgram, RunAdapterAndMergedModelMakeTheSameImage) {
  const auto plain = image("plain", {"--checkpoint", "run"});
  const auto tuned = image("of_run", {"--checkpoint", "tuned"});
  EXPECT_NE(plain, tuned);
  EXPECT_EQ(tuned, image("stacked", {"--checkpoint", "run", "--lora", kAdapter}));
  EXPECT_EQ(plain, image("zero", {"--checkpoint", "run", "--lora", kAdapter + ":0"}));
  const auto merged = medaug({"lora", "merge", "run", "tuned", "--output", "merged.safetensors"});
  ASSERT_EQ(merged.status, 0) << merged.err;
  EXPECT_EQ(tuned, image("of_merged", {"--checkpoint", "merged.safetensors"}));
  const auto twice = medaug({"lora", "merge", "run", kAdapter, kAdapter, "--scale", "0.5",
                             "--scale", "0.25", "--output", "twice.safetensors"});
  ASSERT_EQ(twice.status, 0) << twice.err;
  EXPECT_EQ(image("of_twice", {"--checkpoint", "twice.safetensors"}),
            image("two", {"--checkpoint", "run", "--lora", kAdapter + ":0.5", "--lora",
                          kAdapter + ":0.25"}));
  EXPECT_EQ(medaug({"check", "checkpoint", "tuned"}).status, 0);
}

TEST_F(LoraProgram, WrongUseGetsOneError) {
  const auto merge = [](const std::vector<std::string>& more) {
    std::vector<std::string> words{"lora", "merge"};
    words.insert(words.end(), more.begin(), more.end());
    return medaug(words);
  };
  const auto scales = merge({"run", "tuned", "--scale", "1", "--scale", "2", "--output", "x"});
  EXPECT_EQ(scales.status, 2);
  EXPECT_THAT(scales.err, HasSubstr("2 strengths for 1 adapters"));
  const auto no_adapter = merge({"run", kModel, "--output", "x.safetensors"});
  EXPECT_EQ(no_adapter.status, 5);
  EXPECT_THAT(no_adapter.err, HasSubstr("is no adapter file"));
  const auto other = merge({"tuned", "tuned", "--output", "x.safetensors"});
  EXPECT_EQ(other.status, 5);
  EXPECT_THAT(other.err, HasSubstr("was trained on another model"));
  EXPECT_FALSE(fs::exists(base() / "x.safetensors"));
  const auto strength = medaug({"generate", "--checkpoint", "run", "--caption", "x", "--output",
                                "y", "--lora", kAdapter + ":strong"});
  EXPECT_EQ(strength.status, 2);
  EXPECT_THAT(strength.err, HasSubstr("'strong' is not a strength"));
  const auto unknown = medaug(train({"--output", "z", "--set", "lora.targets=[wx]"}));
  EXPECT_EQ(unknown.status, 3);
  EXPECT_THAT(unknown.err, HasSubstr("unknown target 'wx'"));
}

TEST_F(LoraProgram, MemoryTableNamesCardsAndKinds) {
  const auto config = (source_folder() / "configs/tiny.yaml").string();
  const auto table = medaug({"check", "config", config, "--memory-table"});
  EXPECT_EQ(table.status, 0) << table.err;
  for (const char* word : {"141 GB", "2b-gqa, latents of 1024 x 1024 pixels (4096 tokens)",
                           "LoRA, rank 16", "bf16 state"}) {
    EXPECT_THAT(table.out, HasSubstr(word));
  }
}

}  // namespace
}  // namespace medaug::test
