// SPDX-License-Identifier: MIT
#include "training/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "checkpoint/test_folder.h"
#include "nn/layers.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ModelFile : public test::FolderTest {
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
    write_model_file(path(), info_, nn::named_parameters(Generator(options)));
  }

  fs::path path() const { return folder_ / "model.safetensors"; }

  /// Writes the file again with one value of its description changed, and reads it.
  std::string error_with(const std::string& section, const std::string& key, const Json& value) {
    auto file = read_safetensors(path());
    auto description = Json::parse(file.metadata.at("medaug"));
    (section.empty() ? description : description[section])[key] = value;
    file.metadata["medaug"] = description.dump();
    NamedTensors tensors(file.tensors.begin(), file.tensors.end());
    const auto changed = folder_ / "changed.safetensors";
    write_safetensors(changed, tensors, file.metadata);
    const auto text = test::error_of([&] { load_model_file(changed, at::kCPU, at::kFloat); });
    EXPECT_THAT(text, HasSubstr("changed.safetensors"));
    return text;
  }

  ModelInfo info_;
};

TEST_F(ModelFile, IsReadBackWithTheSameOptions) {
  const auto loaded = load_model_file(path(), at::kCPU, at::kFloat);
  EXPECT_EQ(to_json(loaded.info.generator.dit), to_json(info_.generator.dit));
  EXPECT_EQ(loaded.tokenizer.size(), info_.generator.vocabulary);
}

TEST_F(ModelFile, ADescriptionThatLiesIsRefusedBeforeAnythingIsMade) {
  EXPECT_THAT(error_with("model", "heads", 0), HasSubstr("heads"));
  EXPECT_THAT(error_with("model", "dim", 1'000'000'000), HasSubstr("dim"));
  EXPECT_THAT(error_with("model", "layers", 3), HasSubstr("is missing"));
  EXPECT_THAT(error_with("model", "patch_size", -4), HasSubstr("patch_size"));
  EXPECT_THAT(error_with("model", "dim", "wide"), HasSubstr("dim"));
  EXPECT_THAT(error_with("text", "heads", 3), HasSubstr("heads"));
  EXPECT_THAT(error_with("", "vocabulary", 1e15), HasSubstr("tokenizer"));
}

}  // namespace
}  // namespace medaug
