// SPDX-License-Identifier: MIT
#include "evaluation/segmenter.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "base/files.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"
#include "training/batch_gradients.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSide = 16;

/// A bright disc somewhere on noise; the first `without` images have no mask.
class Discs : public Dataset {
 public:
  Discs(std::int64_t count, std::uint64_t seed, std::int64_t without = 0)
      : records_(static_cast<std::size_t>(count)), without_(without) {
    const auto place = at::arange(kSide, at::kFloat);
    for (std::int64_t i = 0; i < count; ++i) {
      RandomStream stream(seed, Purpose::kPhantom, static_cast<std::uint64_t>(i));
      const double y = stream.uniform(4.0, 11.0), x = stream.uniform(4.0, 11.0);
      const double radius = stream.uniform(2.5, 4.5);
      const auto away = (place - y).square().unsqueeze(1) + (place - x).square().unsqueeze(0);
      const auto disc = away.le(radius * radius).to(at::kFloat).unsqueeze(0);
      auto noise = at::empty({1, kSide, kSide});
      stream.fill_normal(
          {noise.mutable_data_ptr<float>(), static_cast<std::size_t>(kSide * kSide)});
      images_.push_back((disc * 0.8 - 0.5 + 0.2 * noise).clamp(-1.0, 1.0));
      masks_.push_back(disc);
    }
  }

  std::int64_t size() const override { return std::ssize(images_); }
  const Record& record(std::int64_t i) const override { return records_.at(index(i)); }
  at::Tensor image(std::int64_t i) const override { return images_.at(index(i)); }
  at::Tensor mask(std::int64_t i) const override { return masks_.at(index(i)); }
  bool has_mask(std::int64_t i) const override { return i >= without_; }
  std::uint64_t content_hash() const override { return 1; }

  void fill(double value) {
    for (auto& image : images_) {
      image.fill_(value);
    }
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  std::vector<at::Tensor> images_, masks_;
  std::vector<Record> records_;
  std::int64_t without_;
};

PreprocessOptions disc_preprocess() {
  PreprocessOptions o;
  o.image_size = kSide;
  o.channels = 1;
  o.bit_depth = 8;
  return o;
}

SegmenterOptions quick(std::int64_t steps) {
  SegmenterOptions o;
  o.width = 8;
  o.levels = 3;
  o.steps = steps;
  o.batch_size = 8;
  o.learning_rate = 1e-2;
  o.half_life = 100.0;
  return o;
}

Segmenter trained(const SegmenterOptions& options,
                  const std::function<bool(const SegmenterProgress&)>& on_step = {}) {
  return train_segmenter(std::make_shared<Discs>(64, 1), Discs(16, 2), disc_preprocess(), options,
                         on_step);
}

double dice_on(const Segmenter& segmenter, const Discs& data) {
  std::vector<at::Tensor> images, masks;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    images.push_back(data.image(i));
    masks.push_back(data.mask(i));
  }
  return class_dice(segmenter.probabilities(at::stack(images)), at::stack(masks))
      .mean()
      .item<double>();
}

TEST(ClassDice, ByHand) {
  // Predicted 3 pixels, wanted 2, both 2: 4 / 5. The second class is not wanted, the third missed.
  const auto plane = [](std::vector<float> values) { return at::tensor(values).view({2, 2}); };
  const auto p = at::stack({plane({0.5, 0.9, 0.6, 0.4}), plane({1, 1, 1, 1}), plane({0, 0, 0, 0})});
  const auto m =
      at::stack({plane({0.5, 1.0, 0.49, 0}), plane({0, 0, 0, 0.2}), plane({0, 1, 0, 0})});
  const auto dice = class_dice(p.unsqueeze(0), m.unsqueeze(0));
  ASSERT_EQ(dice.sizes(), at::IntArrayRef({1, 3}));
  EXPECT_DOUBLE_EQ(dice[0][0].item<double>(), 0.8);
  EXPECT_TRUE(std::isnan(dice[0][1].item<double>()));
  EXPECT_EQ(dice[0][2].item<double>(), 0.0);
}

TEST(ClassDice, OtherNumbersOfClassesAreNotBroadcast) {
  EXPECT_THROW(class_dice(at::zeros({2, 1, 4, 4}), at::zeros({2, 3, 4, 4})), Error);
}

TEST(BatchGradients, AreThoseOfTheWholeBatch) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  const auto weight = at::ones({2}).requires_grad_();
  const auto unused = at::ones({2}).requires_grad_();
  const auto x = at::arange(26, at::kFloat).view({13, 2});  // three parts that are not equal
  const double loss = batch_gradients({weight, unused}, {13, at::kCPU, 0.5}, [&](nn::Share share) {
    return (x.narrow(0, share.begin, share.count) * weight).sum();
  });
  omp_set_num_threads(before);
  EXPECT_EQ(loss, 325.0);
  EXPECT_TRUE(weight.grad().equal(x.sum(0) * 0.5));
  EXPECT_FALSE(unused.grad().defined());
}

TEST(Segmenter, LearnsAMadeUpTask) {
  std::int64_t calls = 0;
  const auto segmenter = trained(quick(80), [&](const SegmenterProgress& p) {
    EXPECT_EQ(p.step, ++calls);
    EXPECT_EQ(p.steps, 80);
    return true;
  });
  EXPECT_EQ(calls, 80);
  EXPECT_GT(dice_on(segmenter, Discs(32, 3)), 0.9);
  const auto& facts = segmenter.info().training;
  EXPECT_GT(facts["held_out_dice"].get<double>(), 0.9);
  EXPECT_EQ(facts["train_images"], 64);
  EXPECT_EQ(facts["val_images"], 16);
  EXPECT_EQ(facts["options"]["steps"], 80);
  EXPECT_EQ(facts["augment"]["horizontal_flip"], true);
}

TEST(Segmenter, KeepsTheWeightsItReports) {
  const auto segmenter = trained(quick(30));
  EXPECT_NEAR(dice_on(segmenter, Discs(16, 2)),
              segmenter.info().training["held_out_dice"].get<double>(), 0.02);  // bfloat16 there
}

TEST(Segmenter, StopsWhenAskedAndKeepsWhatItHas) {
  const auto segmenter =
      trained(quick(1000), [](const SegmenterProgress& p) { return p.step < 2; });
  const auto& facts = segmenter.info().training;
  EXPECT_EQ(facts["steps"], 2);
  EXPECT_EQ(facts["best_step"], 2);
  EXPECT_GE(facts["held_out_dice"].get<double>(), 0.0);
}

TEST(Segmenter, ImagesWithoutAMaskTeachNothing) {
  const auto preprocess = disc_preprocess();
  auto options = quick(3);
  options.augment = {};
  auto first = std::make_shared<Discs>(16, 1, 8), second = std::make_shared<Discs>(16, 1, 8);
  for (std::int64_t i = 0; i < 8; ++i) {
    second->image(i).fill_(0.0);
    second->mask(i).fill_(1.0);
  }
  const auto probe = Discs(4, 9).image(0).unsqueeze(0);
  const auto one = train_segmenter(first, Discs(4, 2), preprocess, options).probabilities(probe);
  const auto other = train_segmenter(second, Discs(4, 2), preprocess, options).probabilities(probe);
  EXPECT_TRUE(at::allclose(one, other, 1e-4, 1e-5));
}

TEST(Segmenter, WithoutAnyMaskCannotBeTrained) {
  const auto none = std::make_shared<Discs>(4, 1, 4), some = std::make_shared<Discs>(4, 1);
  for (const auto& [train, val] : {std::pair{none, some}, std::pair{some, none}}) {
    const auto text = test::error_of(
        [&train = train, &val = val] { train_segmenter(train, *val, disc_preprocess(), quick(2)); },
        ErrorCode::kData);
    EXPECT_THAT(text, HasSubstr("no image of this data set has a mask"));
  }
}

TEST(Segmenter, WhatIsNoNumberStopsTheTraining) {
  auto broken = std::make_shared<Discs>(4, 1);
  broken->fill(std::nan(""));
  EXPECT_THAT(
      test::error_of([&] { train_segmenter(broken, Discs(4, 2), disc_preprocess(), quick(2)); },
                     ErrorCode::kNumeric),
      HasSubstr("not a finite number"));
}

TEST(Segmenter, SmallImagesGetFewerLevels) {
  auto options = quick(1);
  options.levels = 7;
  EXPECT_EQ(trained(options).info().net.levels, 3);  // 16, 8 and 4 pixels
}

class SegmenterFile : public test::FolderTest {
 protected:
  std::filesystem::path path(const std::string& name = "s.safetensors") const {
    return folder_ / name;
  }
  /// A file with other metadata than a segmenter has.
  void write_with(const std::string& format, const std::string& description) const {
    write_safetensors(path(), {{"a", at::ones({1})}},
                      {{"format", format}, {"medaug", description}});
  }
  std::string load_error() const {
    return test::error_of([&] { Segmenter::load(path()); });
  }
};

TEST_F(SegmenterFile, SameSeedSameBytesAndAnotherSeedOthers) {
  auto options = quick(4);
  trained(options).save(path("a"));
  trained(options).save(path("b"));
  options.seed = 1;
  trained(options).save(path("c"));
  EXPECT_EQ(sha256_file(path("a")), sha256_file(path("b")));
  EXPECT_NE(sha256_file(path("a")), sha256_file(path("c")));
}

TEST_F(SegmenterFile, GivesTheSegmenterBack) {
  const auto before = trained(quick(4));
  before.save(path());
  const auto after = Segmenter::load(path());
  const auto images = Discs(5, 7).image(2).unsqueeze(0);
  EXPECT_TRUE(after.probabilities(images).equal(before.probabilities(images)));
  EXPECT_TRUE(after.features(images).equal(before.features(images)));
  EXPECT_EQ(after.info().training, before.info().training);
  EXPECT_EQ(after.info().preprocess.image_size, kSide);
  EXPECT_EQ(after.info().net.width, 8);
  EXPECT_EQ(after.hash(), sha256_file(path()));
  EXPECT_EQ(before.hash(), "");
}

TEST_F(SegmenterFile, OfAnotherKindIsRefused) {
  EXPECT_THAT(load_error(), HasSubstr("no such segmenter"));
  write("s.safetensors", "no safetensors");
  load_error();
  write_with("medaug-model-1", "{}");
  EXPECT_THAT(load_error(), HasSubstr("is no segmenter of medaug"));
  write_with("medaug-segmenter-1", "not json");
  EXPECT_THAT(load_error(), HasSubstr("s.safetensors"));
  write_with("medaug-segmenter-1", "{}");
  load_error();
}

TEST_F(SegmenterFile, ThatPromisesAnImpossibleNetworkIsRefused) {
  const std::string preprocess =
      R"("preprocess": {"image_size": 64, "channels": 1, "bit_depth": 8})";
  write_with("medaug-segmenter-1",
             "{" + preprocess + R"(, "net": {"width": 1000000000, "levels": 4}, "training": {}})");
  EXPECT_THAT(load_error(), HasSubstr("width"));
  write_with("medaug-segmenter-1",
             "{" + preprocess + R"(, "net": {"width": 8, "levels": 2}, "training": {}})");
  EXPECT_THAT(load_error(), HasSubstr("down0.conv0.weight"));
}

TEST_F(SegmenterFile, WithADamagedNumberIsRefused) {
  trained(quick(2)).save(path());
  auto file = read_safetensors(path());
  NamedTensors tensors(file.tensors.begin(), file.tensors.end());
  tensors[3].second = tensors[3].second.clone();
  tensors[3].second.flatten()[0] = std::nan("");
  write_safetensors(path(), tensors, file.metadata);
  EXPECT_THAT(load_error(), HasSubstr("not finite"));
}

}  // namespace
}  // namespace medaug
