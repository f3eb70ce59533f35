// SPDX-License-Identifier: MIT
#include "training/caption_pass.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <memory>
#include <set>

#include "base/stop.h"
#include "training/test_run.h"

namespace medaug {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAreArray;

/// Remembers what it was asked for.
class Recorder : public CaptionFeatures {
 public:
  at::Tensor features(const at::Tensor& tokens, const at::Tensor& mask) const override {
    EXPECT_FALSE(released);
    const auto real = tokens.masked_select(mask);
    seen.insert(
        {real.const_data_ptr<std::int64_t>(), real.const_data_ptr<std::int64_t>() + real.numel()});
    return at::zeros({tokens.size(0), tokens.size(1), 8});
  }
  void release() const override { released = true; }

  mutable std::multiset<std::vector<std::int64_t>> seen;
  mutable bool released = false;
};

class CaptionPass : public test::RunTest {
 protected:
  /// With a frozen text encoder.
  Generator model() const {
    GeneratorOptions options;
    options.dit = nextdit_preset("tiny");
    options.dit.caption_dim = 8;
    options.frozen_text = true;
    Generator model(options);
    model.attach({.captions = recorder_});
    return model;
  }

  CaptionEncoder encoder_{Tokenizer::train({"upper left", "lower right"}, 64, 1), 16};
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(CaptionPass, TakesEachCaptionOnceAndGivesTheEncoderUp) {
  const std::vector<std::string> captions{"", "upper left", "lower right"};
  encode_captions_ahead(model(), encoder_, captions);
  std::vector<std::vector<std::int64_t>> wanted;
  for (const auto& caption : captions) {
    wanted.push_back(encoder_.tokenizer().encode(caption, 16));
  }
  EXPECT_THAT(recorder_->seen, UnorderedElementsAreArray(wanted));
  EXPECT_TRUE(recorder_->released);
}

TEST_F(CaptionPass, EndsEarlyWhenItIsStopped) {
  request_stop();
  encode_captions_ahead(model(), encoder_, {"", "upper left"});
  EXPECT_TRUE(recorder_->seen.empty());
}

TEST_F(CaptionPass, KnowsTheCaptionsThatFlipsMake) {
  auto wanted = config("run", 1);
  const auto data = load_run_data(wanted, read_manifests(wanted));
  const auto plain = captions_of_run(data, {});
  const auto of_data = captions_of(*data.train);
  EXPECT_THAT(plain, Contains(""));
  EXPECT_THAT(plain, Contains(of_data.front()));
  const std::set<std::string> distinct(plain.begin(), plain.end());
  EXPECT_EQ(distinct.size(), plain.size());
  AugmentOptions flips;
  flips.horizontal_flip = true;
  const auto mirrored = captions_of_run(data, flips);
  for (const auto& caption : of_data) {
    if (const auto flipped = flip_caption(caption, true, false)) {
      EXPECT_THAT(mirrored, Contains(*flipped));
    }
  }
}

}  // namespace
}  // namespace medaug
