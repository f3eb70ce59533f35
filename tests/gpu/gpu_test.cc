// SPDX-License-Identifier: MIT
// The same numbers on a GPU as on the CPU, and a hundred steps of training on it.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/phantom.h"
#include "training/flow_step.h"
#include "training/sampling.h"
#include "training/trainer.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kImages = 4, kTokens = 12, kVocabulary = 300;

struct Case {
  const char* preset;
  std::int64_t side;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.preset << " at " << c.side; }

class Gpu : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) {
      GTEST_SKIP() << "no GPU here";
    }
    options_.vocabulary = kVocabulary;
    options_.dit = nextdit_preset(GetParam().preset);
    options_.dit.caption_dim = options_.text.dim;
    at::manual_seed(3);
    const auto side = GetParam().side;
    batch_.images = at::randn({kImages, options_.dit.in_channels, side, side}).clamp(-1, 1);
    batch_.conditions.tokens = at::randint(3, kVocabulary, {kImages, kTokens}, at::kLong);
    batch_.conditions.token_mask = at::ones({kImages, kTokens}, at::kBool);
    batch_.conditions.mask = at::rand({kImages, options_.dit.mask_classes, side, side}).round();
    batch_.conditions.mask_present = at::ones({kImages});
    for (std::int64_t i = 0; i < kImages; ++i) {
      batch_.draws.push_back(i);
    }
    draws_ = draw_noise_and_time(batch_, {}, 1);
  }

  /// The same random weights, no branch switched off, on a device.
  std::shared_ptr<Generator> model(at::Device device, at::ScalarType dtype) const {
    auto made = std::make_shared<Generator>(options_);
    const at::NoGradGuard no_grad;
    at::manual_seed(5);
    for (auto& parameter : made->parameters()) {
      parameter.add_(at::randn(parameter.sizes()) * 0.02);
    }
    made->to(device, dtype);
    return made;
  }

  FlowBatch on(at::Device device) const {
    auto moved = batch_;
    moved.images = batch_.images.to(device);
    for (auto* tensor : {&moved.conditions.tokens, &moved.conditions.token_mask,
                         &moved.conditions.mask, &moved.conditions.mask_present}) {
      *tensor = tensor->to(device);
    }
    return moved;
  }

  /// All gradients in one row, float64 on the CPU.
  at::Tensor gradients(at::Device device, at::ScalarType dtype, double& loss) const {
    const auto network = model(device, dtype);
    const auto mean = flow_loss(*network, on(device), draws_).mean();
    mean.backward();
    loss = mean.item<double>();
    std::vector<at::Tensor> all;
    for (const auto& parameter : network->parameters()) {
      if (parameter.grad().defined()) {
        all.push_back(parameter.grad().to(at::kCPU, at::kDouble).flatten());
      }
    }
    return at::cat(all);
  }

  at::Tensor images(at::Device device, at::ScalarType dtype) const {
    const auto moved = on(device);
    SamplingRequest request;
    request.conditions = moved.conditions;
    request.seeds = batch_.draws;
    request.height = request.width = GetParam().side;
    return sample_images(*model(device, dtype), request, {}).to(at::kCPU, at::kDouble);
  }

  GeneratorOptions options_;
  FlowBatch batch_;
  FlowDraws draws_;
};

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST_P(Gpu, LossAndGradientsAreThoseOfTheCpu) {
  double wanted = 0.0, got = 0.0;
  const auto truth = gradients(at::kCPU, at::kFloat, wanted);
  const auto exact = gradients(at::kCUDA, at::kFloat, got);
  EXPECT_NEAR(got, wanted, 1e-4 * wanted);
  EXPECT_LT(distance(exact, truth), 1e-2);
  const auto half = gradients(at::kCUDA, at::kBFloat16, got);
  EXPECT_NEAR(got, wanted, 1e-2 * wanted);
  EXPECT_GT((half.dot(truth) / half.norm() / truth.norm()).item<double>(), 0.999);
}

TEST_P(Gpu, SampledImagesAreThoseOfTheCpu) {
  const auto truth = images(at::kCPU, at::kFloat);
  EXPECT_LT(distance(images(at::kCUDA, at::kFloat), truth), 5e-3);
  EXPECT_LT(distance(images(at::kCUDA, at::kBFloat16), truth), 5e-2);
  const auto once = images(at::kCUDA, at::kBFloat16);
  EXPECT_TRUE(once.equal(images(at::kCUDA, at::kBFloat16))) << "same seed, same bytes";
}

TEST_P(Gpu, TrainsAHundredSteps) {
  const auto folder = fs::path(::testing::TempDir()) / ("gpu_test_" + std::to_string(getpid()));
  fs::remove_all(folder);
  PhantomOptions phantom;
  phantom.count = 40;
  phantom.size = 64;
  write_phantom(folder / "data", phantom);
  const std::vector<std::string> overrides{
      "data.train_data=" + (folder / "data/train.jsonl").string(),
      "data.val_data=" + (folder / "data/val.jsonl").string(),
      "data.image_size=" + std::to_string(GetParam().side),
      "data.mask_classes=2",
      std::string("model.preset=") + GetParam().preset,
      "training.device=cuda",
      "training.batch_size=16",
      "training.num_epochs=0",
      "training.max_steps=100",
      "training.learning_rate=5e-4",
      "training.warmup_steps=10",
      "output.folder=" + (folder / "run").string()};
  TrainRequest request;
  request.config = load_run_config({}, overrides);
  SingleProcess alone;
  const auto result = train(request, alone);
  EXPECT_EQ(result.state.step, 100);
  EXPECT_EQ(result.state.skipped_steps, 0);
  std::ifstream lines(folder / "run/logs/metrics.jsonl");
  std::vector<double> losses;
  for (std::string line; std::getline(lines, line);) {
    losses.push_back(Json::parse(line).at("loss").get<double>());
  }
  double first = 0.0, last = 0.0;
  for (std::size_t i = 0; i < 10; ++i) {
    first += losses.at(i) / 10.0;
    last += losses.at(90 + i) / 10.0;
  }
  EXPECT_LT(last, 0.8 * first);
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Presets, Gpu,
                         ::testing::Values(Case{"tiny", 64}, Case{"small", 64}, Case{"base", 64}));

}  // namespace
}  // namespace medaug
