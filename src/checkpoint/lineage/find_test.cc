// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/find.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kRaw = "consolidated.00-of-01.safetensors";
constexpr const char* kEma = "consolidated_ema.00-of-01.safetensors";
constexpr const char* kDiffusers = "diffusion_pytorch_model.safetensors";

class FindBackbone : public test::FolderTest {
 protected:
  std::string chosen(WeightsChoice choice = WeightsChoice::kEmaIfThere) const {
    return fs::relative(find_backbone(folder_, choice).weights, folder_).string();
  }
  std::string refusal(WeightsChoice choice = WeightsChoice::kEmaIfThere) const {
    return error_of([&] { find_backbone(folder_, choice); });
  }
};

TEST_F(FindBackbone, PrefersTheEmaAndSaysWhichItTook) {
  write(kRaw, "");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(chosen(), kRaw);
  write(kEma, "");
  EXPECT_EQ(chosen(), kEma);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("there are no EMA weights"), HasSubstr("the EMA weights are taken")));
  EXPECT_TRUE(find_backbone(folder_).ema);
  EXPECT_EQ(chosen(WeightsChoice::kEma), kEma);
  EXPECT_EQ(chosen(WeightsChoice::kRaw), kRaw);
}

TEST_F(FindBackbone, RefusesAChoiceThatIsNotThere) {
  write(kRaw, "");
  EXPECT_THAT(refusal(WeightsChoice::kEma), AllOf(HasSubstr(kEma), HasSubstr("--no-ema")));
  fs::rename(folder_ / kRaw, folder_ / kEma);
  EXPECT_THAT(refusal(WeightsChoice::kRaw), HasSubstr("EMA weights only"));
  fs::rename(folder_ / kEma, folder_ / "some.safetensors");
  EXPECT_THAT(error_of([&] { find_backbone(folder_ / "some.safetensors", WeightsChoice::kEma); }),
              HasSubstr("--ema"));
}

TEST_F(FindBackbone, TellsHowToConvertPickles) {
  write("consolidated.00-of-01.pth", "PK");
  write("model_args.pth", "PK");
  const auto text = refusal();
  EXPECT_THAT(text, HasSubstr("pickles only (consolidated.00-of-01.pth)"));
  EXPECT_THAT(text, HasSubstr("weights_only=True"));
  EXPECT_THAT(text, HasSubstr((folder_ / kRaw).string()));
  EXPECT_THAT(error_of([&] { find_backbone(folder_ / "consolidated.00-of-01.pth"); }),
              AllOf(HasSubstr("is a pickle"), HasSubstr("python -c")));
}

TEST_F(FindBackbone, RefusesPartsOfSeveralDevices) {
  write("consolidated.00-of-02.safetensors", "");
  write("consolidated.01-of-02.safetensors", "");
  EXPECT_THAT(refusal(), HasSubstr("cut into parts"));
}

TEST_F(FindBackbone, RefusesWhatIsNotClear) {
  EXPECT_THAT(refusal(), HasSubstr("has no weights of a NextDiT"));
  EXPECT_THAT(error_of([&] { find_backbone(folder_ / "none"); }), HasSubstr("no such file"));
  write(kRaw, "");
  write(kDiffusers, "");
  EXPECT_THAT(refusal(), HasSubstr("and in that of diffusers"));
}

TEST_F(FindBackbone, TakesTheFilesOfDiffusers) {
  write("diffusion_pytorch_model.fp16.safetensors", "");
  EXPECT_THAT(refusal(), HasSubstr("has no config.json"));
  write("config.json", "{}");
  EXPECT_EQ(chosen(), "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(find_backbone(folder_).config, folder_ / "config.json");
  EXPECT_THAT(refusal(WeightsChoice::kEma), HasSubstr("has no EMA weights"));
  write("diffusion_pytorch_model.bf16.safetensors", "");
  EXPECT_THAT(refusal(), HasSubstr("several sets of weights"));
  write(kDiffusers, "");
  EXPECT_EQ(chosen(), kDiffusers);
}

TEST_F(FindBackbone, TakesShardsOfDiffusersWithTheirIndexOnly) {
  write("config.json", "{}");
  write("diffusion_pytorch_model-00001-of-00002.safetensors", "");
  EXPECT_THAT(refusal(), HasSubstr("shards but not their index"));
  write("diffusion_pytorch_model.safetensors.index.json", "{}");
  EXPECT_EQ(chosen(), "diffusion_pytorch_model.safetensors.index.json");
}

TEST_F(FindBackbone, TakesTheTransformerOfAPipeline) {
  write("model_index.json", "{}");
  fs::create_directory(folder_ / "transformer");
  write(std::string("transformer/") + kDiffusers, "");
  write("transformer/config.json", "{}");
  EXPECT_EQ(chosen(), std::string("transformer/") + kDiffusers);
  EXPECT_TRUE(looks_like_backbone(folder_));
}

TEST_F(FindBackbone, LooksAtNamesToTellItsFoldersFromOthers) {
  EXPECT_FALSE(looks_like_backbone(folder_));
  write("best_model.safetensors", "");
  EXPECT_FALSE(looks_like_backbone(folder_));
  EXPECT_FALSE(looks_like_backbone(folder_ / "best_model.safetensors"));
  write("consolidated.00-of-01.pth", "");
  EXPECT_TRUE(looks_like_backbone(folder_));
}

}  // namespace
}  // namespace medaug
