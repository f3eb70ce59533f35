// SPDX-License-Identifier: MIT
// Published weights through the real program, on a made-up lineage: look, convert, generate,
// fine-tune with masks, export, import again; and what is wrong with parts that do not fit.

#include <ATen/ops/cat.h>
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "base/fields.h"
#include "image/image.h"
#include "tiny_run.h"
#include "training/test_parts.h"

namespace medaug::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Lineage : public ::testing::Test {
 protected:
  void SetUp() override {
    write_small_gemma(in("gemma"));
    write_small_autoencoder(in("vae"));
    write_small_backbone(in("lumina"));
  }
  fs::path in(const std::string& name) const { return folder_.path() / name; }
  CliOutcome medaug(const std::vector<std::string>& arguments) const {
    return run_medaug(arguments, folder_.path());
  }
  std::string done(const std::vector<std::string>& arguments) const {
    const auto outcome = medaug(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }
  std::vector<std::string> convert(const std::string& output) const {
    return {"convert",        "lumina", "--to",         "medaug", "--output",       output,
            "--heads",        "4",      "--vae",        "vae",    "--text-encoder", "gemma",
            "--mask-classes", "2",      "--image-size", "64"};
  }
  TemporaryFolder folder_;
};

TEST_F(Lineage, IsImportedSampledFineTunedExportedAndImportedAgain) {
  done({"phantom", "data", "--count", "12", "--size", "64"});
  done(convert("imported"));
  const auto model = in("imported/model.safetensors").string();
  EXPECT_THAT(done({"check", "checkpoint", model}),
              AllOf(HasSubstr("autoencoder"), HasSubstr("Gemma")));
  const auto mask = fs::directory_iterator(in("data/masks"))->path().string();
  done({"generate", "--checkpoint", model, "--caption", "a scan", "--mask", mask, "--steps", "3",
        "--output", "made"});
  done({"train",
        "--config",
        (source_folder() / "configs/tiny.yaml").string(),
        "--init",
        model,
        "--output",
        "run",
        "--set",
        "data.train_data=" + in("data/train.jsonl").string(),
        "--set",
        "data.val_data=" + in("data/val.jsonl").string(),
        "--set",
        "data.image_size=64",
        "--set",
        "data.channels=3",
        "--set",
        "training.max_minutes=0",
        "--set",
        "training.max_steps=3",
        "--set",
        "training.batch_size=2",
        "--set",
        "training.sample_count=2"});
  done({"generate", "--checkpoint", "run", "--caption", "a scan", "--mask", mask, "--steps", "3",
        "--output", "tuned"});
  EXPECT_EQ(medaug({"convert", "run", "--to", "lumina", "--output", "refused"}).status, 5);
  done({"convert", "run", "--to", "lumina", "--drop-mask", "--output", "exported"});
  done({"convert", "exported", "--to", "medaug", "--output", "again", "--heads", "4", "--vae",
        "vae", "--text-encoder", "gemma", "--image-size", "64"});
  done({"generate", "--checkpoint", "again/model.safetensors", "--caption", "a scan", "--steps",
        "3", "--output", "once_more"});
  for (const char* name : {"made", "tuned", "once_more"}) {
    const auto line = lines_of(in(name) / "generated.jsonl").front();
    const auto image = read_image(in(name) / Json::parse(line)["image_path"].get<std::string>());
    EXPECT_EQ(image.pixels.sizes(), at::IntArrayRef({3, 64, 64})) << name;
  }
}

TEST_F(Lineage, WhatAFineTuneNeedsIsToldOfItsBase) {
  done({"phantom", "data", "--count", "12", "--size", "64"});
  done(convert("imported"));
  const auto dry = Json::parse(
      done({"train", "--config", (source_folder() / "configs/tiny.yaml").string(), "--init",
            "imported/model.safetensors", "--output", "run", "--dry-run", "--json", "--set",
            "data.image_size=64", "--set", "data.train_data=" + in("data/train.jsonl").string(),
            "--set", "data.val_data=" + in("data/val.jsonl").string()}));
  const auto base = Json::parse(done({"check", "checkpoint", "imported", "--json"}));
  EXPECT_EQ(dry["parameters"], base["parameters"]);
}

TEST_F(Lineage, ChecksOfPartsReportThem) {
  done({"phantom", "data", "--count", "4", "--size", "64"});
  const auto vae = Json::parse(done({"check", "checkpoint", "vae", "--images", "data/images",
                                     "--image-size", "64", "--count", "2", "--json"}));
  EXPECT_EQ(vae["autoencoder"]["latent_channels"], 4);
  EXPECT_EQ(vae["round_trip"]["images"], 2);
  EXPECT_GT(vae["round_trip"]["psnr"]["mean"].get<double>(), 0.0);
  EXPECT_LT(vae["round_trip"]["ssim"]["worst"].get<double>(), 1.0);
  const auto file = "vae/diffusion_pytorch_model.safetensors";
  EXPECT_EQ(Json::parse(done({"check", "checkpoint", file, "--json"}))["parameters"],
            vae["parameters"]);
  const auto gemma = Json::parse(done({"check", "checkpoint", "gemma", "--values", "--json"}));
  EXPECT_EQ(gemma["text_encoder"]["layers"], 3);
  EXPECT_EQ(gemma["pieces"], 300);
  EXPECT_THAT(medaug({"check", "checkpoint", "gemma", "--images", "data/images"}).err,
              HasSubstr("--images"));
}

TEST_F(Lineage, PartsThatDoNotFitAreRefused) {
  const auto refusal = [&] {
    const auto outcome = medaug(convert("refused"));
    EXPECT_EQ(outcome.status, 5) << outcome.err;
    EXPECT_FALSE(fs::exists(in("refused/model.safetensors")));
    return outcome.err;
  };
  write_small_autoencoder(in("vae"), 5, 16);
  EXPECT_THAT(refusal(), HasSubstr("16 latent channels"));
  write_small_autoencoder(in("vae"));
  std::error_code ignored;
  fs::rename(in("gemma/tokenizer.model"), in("gemma/other"), ignored);
  EXPECT_THAT(refusal(), HasSubstr("tokenizer.model"));
  fs::copy_file(in("gemma/config.json"), in("gemma/tokenizer.model"), ignored);
  EXPECT_THAT(refusal(), HasSubstr("tokenizer.model"));
}

TEST_F(Lineage, PartsThatAreDamagedAreRefusedBeforeAnythingIsWritten) {
  for (const char* part : {"vae/diffusion_pytorch_model.safetensors", "gemma/model.safetensors"}) {
    const auto whole = read_safetensors(in(part));
    const auto refusal = [&](const std::function<void(NamedTensors&)>& damage) {
      NamedTensors tensors(whole.tensors.begin(), whole.tensors.end());
      for (auto& [name, tensor] : tensors) {
        tensor = tensor.clone();
      }
      damage(tensors);
      write_safetensors(in(part), tensors);
      const auto outcome = medaug(convert("refused"));
      EXPECT_EQ(outcome.status, 5) << outcome.err;
      EXPECT_FALSE(fs::exists(in("refused/model.safetensors")));
      EXPECT_THAT(outcome.err, HasSubstr(fs::path(part).parent_path().string()));
      return outcome.err;
    };
    const auto name = whole.tensors.rbegin()->first;
    EXPECT_THAT(refusal([](auto& t) { t.back().second.flatten()[0] = NAN; }),
                AllOf(HasSubstr(name), HasSubstr("not finite")));
    EXPECT_THAT(refusal([](auto& t) { t.back().second = t.back().second.to(at::kInt); }),
                AllOf(HasSubstr(name), HasSubstr("I32")));
    EXPECT_THAT(refusal([](auto& t) { t.back().first += "s"; }), HasSubstr(name));
    EXPECT_THAT(
        refusal([](auto& t) { t.back().second = at::cat({t.back().second, t.back().second}); }),
        AllOf(HasSubstr(name), HasSubstr("has shape")));
    EXPECT_THAT(refusal([](auto& t) { t.erase(t.begin()); }),
                HasSubstr(whole.tensors.begin()->first));
    write_safetensors(in(part), NamedTensors(whole.tensors.begin(), whole.tensors.end()));
  }
}

TEST_F(Lineage, AMaskForABackboneWithoutMaskPlanesIsRefused) {
  auto without = convert("plain");
  without[13] = "0";
  done(without);
  done({"phantom", "data", "--count", "4", "--size", "64"});
  const auto mask = fs::directory_iterator(in("data/masks"))->path().string();
  const auto outcome = medaug({"generate", "--checkpoint", "plain/model.safetensors", "--caption",
                               "a scan", "--mask", mask, "--steps", "2", "--output", "made"});
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("trained without masks"));
  EXPECT_FALSE(fs::exists(in("made")));
}

}  // namespace
}  // namespace medaug::test
