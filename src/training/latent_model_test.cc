// SPDX-License-Identifier: MIT
// A made-up lineage: backbone, autoencoder and Gemma as their projects keep them, made one model,
// sampled, fine-tuned with masks, exported and imported again.

#include "training/latent_model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <memory>

#include "training/model_file.h"
#include "training/sampling.h"
#include "training/test_parts.h"
#include "training/test_run.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::int64_t kSide = 32, kClasses = 1;

class LatentModel : public test::RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    test::write_small_gemma(folder_ / "gemma");
    test::write_small_autoencoder(folder_ / "vae");
    test::write_small_backbone(folder_ / "lumina");
    make_model();
  }

  ImportedBackbone backbone(const fs::path& folder, std::int64_t classes) const {
    ImportOptions options;
    options.mask_classes = classes;
    options.known.heads = 4;
    return open_backbone(folder, options);
  }

  void make_model() const {
    LatentModelOptions options;
    options.parts.autoencoder = (folder_ / "vae").string();
    options.parts.text_encoder = (folder_ / "gemma").string();
    options.image_size = kSide;
    write_latent_model(folder_ / "imported", backbone(folder_ / "lumina", kClasses), options);
  }

  LoadedModel loaded(const fs::path& file) const {
    return load_model_file(file, at::kCPU, at::kFloat);
  }

  /// One image. @param mask  (1, K, H, W), or undefined
  at::Tensor sampled(const LoadedModel& model, const at::Tensor& mask = {}) const {
    SamplingRequest request;
    CaptionEncoder captions(model.tokenizer, 16);
    captions.encode({"a scan of the brain"}, request.conditions);
    captions.encode({""}, request.no_text);
    if (mask.defined()) {
      request.conditions.mask = mask;
      request.conditions.mask_present = at::ones({1});
    }
    const std::vector<std::int64_t> seeds{7};
    request.seeds = seeds;
    request.height = request.width = kSide;
    auto sampler = model.info.sampler;
    sampler.steps = 3;
    return sample_images(*model.model, request,
                         {model.info.flow, sampler, model.info.guidance, {}});
  }

  static at::Tensor disc() {
    auto mask = at::zeros({1, kClasses, kSide, kSide});
    mask.slice(2, 8, 20).slice(3, 8, 20).fill_(1.0);
    return mask;
  }

  RunConfig fine_tune(const std::string& run, std::int64_t steps,
                      std::vector<std::string> more = {}) const {
    more.insert(more.end(),
                {"training.init_from=" + (folder_ / "imported/model.safetensors").string(),
                 "data.channels=3", "model.preset="});
    return config(run, steps, more);
  }
};

TEST_F(LatentModel, IsSampledInPixelsAndNewMaskPlanesChangeNothing) {
  const auto model = loaded(folder_ / "imported/model.safetensors");
  EXPECT_EQ(model.info.generator.downscale, 2);
  const auto plain = sampled(model);
  EXPECT_EQ(plain.sizes(), at::IntArrayRef({1, 3, kSide, kSide}));
  EXPECT_LE(plain.abs().max().item<float>(), 1.0F);
  EXPECT_GT(plain.std().item<float>(), 0.01F);
  EXPECT_TRUE(plain.equal(sampled(model, disc()))) << "weights of zero";
}

TEST_F(LatentModel, GlimpsesAreSmallPicturesOfTheLatents) {
  const auto model = loaded(folder_ / "imported/model.safetensors");
  at::manual_seed(9);
  const auto small = at::randn({2, 4, 16, 24}), large = at::randn({1, 4, 48, 80});
  EXPECT_TRUE(model.model->glimpse(small).equal(model.model->to_images(small)));
  EXPECT_EQ(model.model->glimpse(large).sizes(), at::IntArrayRef({1, 3, 32, 54}));
}

TEST_F(LatentModel, FeaturesAreTheSameWhenTheEncoderWasGivenUp) {
  const auto model = loaded(folder_ / "imported/model.safetensors");
  const auto& captions = *model.model->frozen().captions;
  Conditions conditions;
  CaptionEncoder encoder(model.tokenizer, 16);
  encoder.encode({"a scan of the brain"}, conditions);
  const auto before = captions.features(conditions.tokens, conditions.token_mask);
  captions.release();
  EXPECT_TRUE(before.equal(captions.features(conditions.tokens, conditions.token_mask)));
  encoder.encode({"a tumour"}, conditions);  // new: the weights come back
  EXPECT_GT(captions.features(conditions.tokens, conditions.token_mask).abs().sum().item<float>(),
            0.0F);
}

TEST_F(LatentModel, AFineTuneSamplesAsItsBaseUnlessToldOtherwise) {
  const auto base = loaded(folder_ / "imported/model.safetensors").info;
  auto untold = fine_tune("run", 1);
  EXPECT_EQ(untold.sampler.steps, 2);  // of every config of these tests
  untold.sampler.steps = base.sampler.steps;
  EXPECT_EQ(to_json(untold.sampler), to_json(base.sampler));
  EXPECT_EQ(to_json(untold.guidance), to_json(base.guidance));
  const auto told = fine_tune("run", 1, {"sampling.steps=7"});
  EXPECT_EQ(told.sampler.steps, 7);
  EXPECT_EQ(told.sampler.solver, base.sampler.solver);
  EXPECT_EQ(fine_tune("run", 1, {"sampling.preset=original"}).sampler.solver, Solver::kEuler);
}

TEST_F(LatentModel, PaintingKeepsThePixelsOutsideOfTheRegion) {
  const auto model = loaded(folder_ / "imported/model.safetensors");
  SamplingRequest request;
  CaptionEncoder captions(model.tokenizer, 16);
  captions.encode({"a tumour"}, request.conditions);
  request.no_text = request.conditions;
  const std::vector<std::int64_t> seeds{1};
  request.seeds = seeds;
  request.height = request.width = kSide;
  request.init = at::rand({1, 3, kSide, kSide}) * 2.0 - 1.0;
  request.region = at::zeros({1, 1, kSide, kSide}, at::kBool);
  request.region.slice(2, 5, 12).slice(3, 9, 15).fill_(true);
  const auto made =
      sample_images(*model.model, request, {model.info.flow, model.info.sampler, {}, {}});
  const auto same = made.eq(request.init).all(1, true);
  EXPECT_TRUE(same.logical_or(request.region).all().item<bool>());
  EXPECT_FALSE(same.logical_and(request.region).any().item<bool>());
}

TEST_F(LatentModel, IsFineTunedWithMasksExportedAndImportedAgain) {
  SingleProcess alone;
  TrainRequest request;
  request.config = fine_tune("run", 6);
  const auto result = train(request, alone);
  const auto tuned = loaded(result.best_model);
  EXPECT_FALSE(sampled(tuned).equal(sampled(tuned, disc()))) << "masks matter now";
  const auto trained = backbone(result.best_model, 0);
  ExportOptions options;
  options.layout = BackboneLayout::kLumina;
  EXPECT_THROW(require_exportable(trained, options), Error) << "trained mask planes";
  options.drop_mask = true;
  export_backbone(trained, folder_ / "exported", options);
  const auto again = backbone(folder_ / "exported", kClasses);
  for (const auto& [name, tensor] : nn::named_parameters(tuned.model->dit())) {
    if (name.find("mask") == std::string::npos && name.find("augment") == std::string::npos) {
      EXPECT_TRUE(again.read(name).equal(tensor)) << name;
    }
  }
}

TEST_F(LatentModel, AdaptersTrainOnItAndLoadOverIt) {
  SingleProcess alone;
  TrainRequest request;
  request.config = fine_tune("lora", 4, {"lora.rank=2"});
  const auto result = train(request, alone);
  const auto tuned = loaded(result.best_model);
  EXPECT_FALSE(sampled(tuned).equal(sampled(loaded(folder_ / "imported/model.safetensors"))));
}

TEST_F(LatentModel, NamesPartsThatAreGoneOrOthers) {
  const auto file = folder_ / "imported/model.safetensors";
  const auto refusal = [&] {
    try {
      loaded(file);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  test::write_small_autoencoder(folder_ / "vae", 6);
  EXPECT_THAT(refusal(), HasSubstr("other weights"));
  fs::rename(folder_ / "gemma", folder_ / "elsewhere");
  EXPECT_THAT(refusal(), HasSubstr("is not there"));
}

TEST_F(LatentModel, RefusesPartsThatDoNotFitTogether) {
  test::write_small_autoencoder(folder_ / "vae", 6, 16);
  try {
    make_model();
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("16 latent channels"));
  }
  fs::remove(folder_ / "gemma/tokenizer.model");
  test::write_small_autoencoder(folder_ / "vae", 6);
  try {
    make_model();
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("tokenizer.model"));
  }
}

}  // namespace
}  // namespace medaug
