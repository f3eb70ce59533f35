// SPDX-License-Identifier: MIT
// The gate of `augment`: what it refuses is tried again, and nothing is lost when a call is
// repeated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "inference/augmenter.h"
#include "tiny_run.h"

namespace medaug::test {
namespace {

using ::testing::HasSubstr;

/// Refuses the first seed of every second image, and every seed of number 3.
class Picky : public ImageGate {
 public:
  std::vector<std::string> judge(std::vector<MadeImage>& images) override {
    std::vector<std::string> rules;
    for (auto& image : images) {
      const bool first = image.request.seed == 42 + image.number;
      rules.emplace_back(image.number == 3                ? "never"
                         : first && image.number % 2 == 1 ? "once"
                                                          : "");
      image.fields["looked_at"] = true;
    }
    return rules;
  }
};

class Gate : public TinyRun {
 protected:
  static AugmentRequest request(const std::string& folder, ImageGate* gate) {
    AugmentRequest request;
    request.source = read_manifest(base() / "phantom/train.jsonl");
    request.folder = base() / folder;
    request.plan.count = 8;
    request.settings.sampler.steps = 2;
    request.gate = gate;
    request.retries = 2;
    return request;
  }
  static std::vector<Json> lines(const std::string& file) {
    std::vector<Json> all;
    for (const auto& line : lines_of(base() / file)) {
      all.push_back(Json::parse(line));
    }
    return all;
  }
};

TEST_F(Gate, TriesAgainGivesUpAndSaysBy) {
  ImageGenerator generator(base() / "run");
  Picky gate;
  const auto made = augment_dataset(generator, request("picky", &gate));
  EXPECT_TRUE(made.complete());
  EXPECT_EQ(made.made, 7);
  EXPECT_EQ(made.given_up, 1);
  EXPECT_EQ(made.refused, (std::map<std::string, std::int64_t>{{"never", 3}, {"once", 3}}));
  const auto kept = lines("picky/manifest.jsonl");
  ASSERT_EQ(kept.size(), 7U);
  EXPECT_EQ(kept[0]["seed"], 42);
  EXPECT_EQ(kept[1]["seed"], 42 + 1 + 8);  // the second seed of image 1
  EXPECT_EQ(kept[1]["attempt"], 1);
  EXPECT_EQ(kept[3]["seed"], 42 + 4);  // image 3 was given up
  EXPECT_TRUE(kept[0].contains("looked_at"));
  EXPECT_EQ(lines("picky/refused.jsonl").size(), 6U);
}

TEST_F(Gate, ACallThatWasCutGoesOnToTheSameEnd) {
  ImageGenerator generator(base() / "run");
  Picky gate;
  augment_dataset(generator, request("whole", &gate));
  fs::copy(base() / "whole", base() / "cut", fs::copy_options::recursive);
  // As if it had been killed behind image 4: images 0, 1, 2, 4 are there.
  auto kept = lines_of(base() / "whole/manifest.jsonl");
  kept.resize(4);
  std::string text;
  for (const auto& line : kept) {
    text += line + "\n";
  }
  write("cut/manifest.jsonl", text);
  const auto made = augment_dataset(generator, request("cut", &gate));
  EXPECT_EQ(made.kept, 4);
  EXPECT_EQ(made.made, 3);
  EXPECT_EQ(made.given_up, 1);
  EXPECT_TRUE(made.complete());
  EXPECT_EQ(read_text(base() / "cut/manifest.jsonl"), read_text(base() / "whole/manifest.jsonl"));
  EXPECT_EQ(read_text(base() / "cut/refused.jsonl"), read_text(base() / "whole/refused.jsonl"));
}

TEST_F(Gate, RealImagesSetItsLimits) {
  ASSERT_EQ(medaug({"phantom", "others", "--count", "30", "--seed", "9"}).status, 0);
  const auto strict = medaug({"augment", "--manifest", "phantom/train.jsonl", "--checkpoint",
                              kModel, "--output", "strict", "--count", "4", "--steps", "2",
                              "--gate", "--retries", "1", "--reference", "others/train.jsonl"});
  ASSERT_EQ(strict.status, 0) << strict.err;
  // Four training steps make noise: no real image looks like that.
  EXPECT_THAT(strict.out, HasSubstr("asked 4, tried 8, refused 8"));
  EXPECT_THAT(strict.out, HasSubstr("given up 4"));
  const auto funnel = Json::parse(read_text(base() / "strict/funnel.json"));
  EXPECT_EQ(funnel["kept"], 0);
  EXPECT_GT(funnel["limits"]["largest_distance"].get<double>(), 0.0);
}

TEST_F(Gate, NeedsRealImagesAndEnoughOfThem) {
  const auto call = [](const std::vector<std::string>& more) {
    std::vector<std::string> all{"augment",      "--manifest", "phantom/train.jsonl",
                                 "--checkpoint", kModel,       "--output",
                                 "out",          "--gate"};
    all.insert(all.end(), more.begin(), more.end());
    return medaug(all);
  };
  const auto none = call({});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("--reference"));
  const auto few = call({"--reference", "phantom/val.jsonl"});
  EXPECT_EQ(few.status, 4);
  EXPECT_THAT(few.err, HasSubstr("too few"));
  const auto same = call({"--reference", "phantom/train.jsonl"});
  EXPECT_EQ(same.status, 4);
  EXPECT_THAT(same.err, HasSubstr("among the training images"));
  EXPECT_FALSE(fs::exists(base() / "out"));
}

}  // namespace
}  // namespace medaug::test
