// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "evaluation/classifier.h"

// Made-up labelled images for tests: noise with a bright spot whose place is the class.

namespace medaug::testing {

inline constexpr std::int64_t kTestSide = 16;

class TestImages : public Dataset {
 public:
  explicit TestImages(std::int64_t count, std::uint64_t seed) {
    for (std::int64_t i = 0; i < count; ++i) {
      RandomStream noise(seed, Purpose::kPhantom, static_cast<std::uint64_t>(i));
      auto image = at::empty({1, kTestSide, kTestSide});
      noise.fill_normal({image.mutable_data_ptr<float>(), static_cast<std::size_t>(image.numel())});
      image = (image * 0.2 - 0.5).clamp(-1.0, 1.0);
      const auto row = i % 2 == 0 ? 2 : kTestSide - 6;
      image.narrow(1, row, 4).narrow(2, 6, 4).fill_(0.9);
      images_.push_back(image);
      auto& record = records_.emplace_back();
      record.line = i + 1;
      record.label = i % 2;
    }
  }

  std::int64_t size() const override { return std::ssize(images_); }
  const Record& record(std::int64_t i) const override { return records_.at(index(i)); }
  at::Tensor image(std::int64_t i) const override { return images_.at(index(i)); }
  at::Tensor mask(std::int64_t) const override { return at::zeros({1, kTestSide, kTestSide}); }
  bool has_mask(std::int64_t) const override { return false; }
  std::uint64_t content_hash() const override { return static_cast<std::uint64_t>(size()); }

  void set_group(std::int64_t i, const std::string& group) { records_.at(index(i)).group = group; }
  void set_image(std::int64_t i, const at::Tensor& image) { images_.at(index(i)) = image; }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  std::vector<at::Tensor> images_;
  std::vector<Record> records_;
};

/// The same with the spot as the mask.
class MaskedImages final : public TestImages {
 public:
  using TestImages::TestImages;
  at::Tensor mask(std::int64_t i) const override { return image(i).ge(0.89).to(at::kFloat); }
  bool has_mask(std::int64_t) const override { return true; }
};

/// Labelled by turns: class 0 has the spot at the top, class 1 at the bottom.
inline LabelledImages labelled(std::shared_ptr<TestImages> data, const std::string& name = "set") {
  LabelledImages out{name, data, {}, 0};
  for (std::int64_t i = 0; i < data->size(); ++i) {
    out.classes.push_back(i % 2);
  }
  return out;
}

inline LabelledImages test_images(std::int64_t count, std::uint64_t seed,
                                  const std::string& name = "set") {
  return labelled(std::make_shared<TestImages>(count, seed), name);
}

inline PreprocessOptions test_preprocess() {
  PreprocessOptions options;
  options.image_size = kTestSide;
  options.channels = 1;
  options.bit_depth = 8;
  return options;
}

inline ClassifierTask test_task() {
  return {test_images(48, 1), test_images(24, 2), {"top", "bottom"}, test_preprocess()};
}

/// A second of training. The spot tells the class, so it must not be moved far.
inline ClassifierOptions test_options() {
  ClassifierOptions options;
  options.network = ClassifierNetwork::kSmall;
  options.epochs = 4;
  options.steps = 16;
  options.batch_size = 32;
  return options;
}

}  // namespace medaug::testing
