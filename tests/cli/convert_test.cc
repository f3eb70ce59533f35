// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/fields.h"
#include "checkpoint/lineage/test_backbone.h"
#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Convert : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(in("lumina"));
    save(in("lumina/consolidated.00-of-01.safetensors"), random_weights(small_backbone()));
    save(in("lumina/consolidated_ema.00-of-01.safetensors"), random_weights(small_backbone()));
  }
  fs::path in(const std::string& name) const { return folder_.path() / name; }
  CliOutcome medaug(const std::vector<std::string>& arguments) const {
    return run_medaug(arguments, folder_.path());
  }
  CliOutcome convert(const std::string& from, const std::string& to, const std::string& output,
                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"convert", from, "--to", to, "--output", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return medaug(arguments);
  }
  TemporaryFolder folder_;
};

TEST_F(Convert, GoesThroughAllFormsAndBack) {
  const auto first = convert("lumina", "medaug", "m", {"--no-ema"});
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("next: medaug check checkpoint m/model.safetensors"));
  EXPECT_EQ(convert("m", "diffusers", "d").status, 0);
  const auto last = convert("d", "lumina", "l", {"--json"});
  EXPECT_EQ(last.status, 0) << last.err;
  const auto json = Json::parse(last.out);
  EXPECT_EQ(json["layout"], "lumina");
  EXPECT_EQ(json["source"]["layout"], "diffusers");
  const auto want = read_safetensors(in("lumina/consolidated.00-of-01.safetensors"));
  const auto got = read_safetensors(in("l/consolidated.00-of-01.safetensors"));
  EXPECT_EQ(json["tensors"], want.tensors.size());
  ASSERT_EQ(got.tensors.size(), want.tensors.size());
  for (const auto& [name, tensor] : want.tensors) {
    EXPECT_TRUE(got.at(name).equal(tensor)) << name;
  }
}

TEST_F(Convert, TakesTheEmaUnlessToldOtherwise) {
  const auto outcome = convert("lumina", "lumina", "l");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the EMA weights are taken"));
  const auto got = read_safetensors(in("l/consolidated.00-of-01.safetensors"));
  const auto ema = read_safetensors(in("lumina/consolidated_ema.00-of-01.safetensors"));
  EXPECT_TRUE(got.at("pad_token").equal(ema.at("pad_token")));
  fs::remove(in("lumina/consolidated_ema.00-of-01.safetensors"));
  const auto missing = convert("lumina", "lumina", "l2", {"--ema"});
  EXPECT_EQ(missing.status, 5);
  EXPECT_THAT(missing.err, HasSubstr("has no EMA weights"));
  EXPECT_EQ(convert("lumina", "lumina", "l2", {"--ema", "--no-ema"}).status, 2);
  EXPECT_FALSE(fs::exists(in("l2")));
}

TEST_F(Convert, NeverWritesOverAFileUnlessForced) {
  EXPECT_EQ(convert("lumina", "diffusers", "d").status, 0);
  const auto before = read_text(in("d/diffusion_pytorch_model.safetensors"));
  const auto again = convert("lumina", "diffusers", "d", {"--no-ema"});
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, AllOf(HasSubstr("is there already"), HasSubstr("--force")));
  EXPECT_EQ(read_text(in("d/diffusion_pytorch_model.safetensors")), before);
  EXPECT_EQ(convert("lumina", "diffusers", "d", {"--no-ema", "--force"}).status, 0);
  EXPECT_NE(read_text(in("d/diffusion_pytorch_model.safetensors")), before);
}

TEST_F(Convert, AddsMaskPlanesToItsOwnFormOnly) {
  EXPECT_EQ(convert("lumina", "medaug", "m", {"--mask-classes", "3"}).status, 0);
  const auto check = medaug({"check", "checkpoint", "m", "--json"});
  EXPECT_EQ(Json::parse(check.out)["model"]["mask_classes"], 3);
  EXPECT_EQ(convert("lumina", "lumina", "l", {"--mask-classes", "3"}).status, 2);
  EXPECT_EQ(convert("m", "lumina", "l").status, 0);  // untrained planes have nothing to lose
}

TEST_F(Convert, RefusesWithTheStatusOfCheckpoints) {
  folder_.write("pth/consolidated.00-of-01.pth", "PK");
  const auto outcome = convert("pth", "medaug", "m", {"--json"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(Json::parse(outcome.out)["error"]["code"], "checkpoint");
  EXPECT_THAT(outcome.err, HasSubstr("python -c"));
  EXPECT_EQ(convert("none", "medaug", "m").status, 5);
  EXPECT_EQ(convert("lumina", "other", "m").status, 2);
  EXPECT_FALSE(fs::exists(in("m")));
}

TEST_F(Convert, CheckCheckpointDescribesPublishedWeights) {
  const auto outcome = medaug({"check", "checkpoint", "lumina"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("lumina"), HasSubstr("32 wide, 2 layers, 4 heads"),
                                 HasSubstr("61 tensors"), HasSubstr("not read")));
  EXPECT_THAT(medaug({"check", "checkpoint", "lumina", "--values"}).out, HasSubstr("all finite"));
  auto damaged = random_weights(small_backbone());
  damaged["pad_token"].fill_(1.0 / 0.0);
  save(in("lumina/consolidated_ema.00-of-01.safetensors"), damaged);
  EXPECT_EQ(medaug({"check", "checkpoint", "lumina"}).status, 0);
  EXPECT_EQ(medaug({"check", "checkpoint", "lumina", "--values"}).status, 5);
}

}  // namespace
}  // namespace medaug::test
