// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/loader.h"

namespace medaug {

/// Chosen images of one or several data sets, in the given order, each as often as it is chosen.
/// All of them were read with the same options. Immutable.
class DatasetView final : public Dataset {
 public:
  struct Choice {
    std::shared_ptr<const Dataset> data;
    std::int64_t index = 0;
  };
  explicit DatasetView(std::vector<Choice> choices);

  std::int64_t size() const override { return std::ssize(choices_); }
  const Record& record(std::int64_t index) const override {
    return at(index).data->record(at(index).index);
  }
  at::Tensor image(std::int64_t index) const override {
    return at(index).data->image(at(index).index);
  }
  at::Tensor mask(std::int64_t index) const override {
    return at(index).data->mask(at(index).index);
  }
  bool has_mask(std::int64_t index) const override {
    return at(index).data->has_mask(at(index).index);
  }
  PictureSize picture_size(std::int64_t index) const override {
    return at(index).data->picture_size(at(index).index);
  }
  /// Of the data sets that were chosen from and of the choice.
  std::uint64_t content_hash() const override { return hash_; }

 private:
  const Choice& at(std::int64_t index) const {
    return choices_.at(static_cast<std::size_t>(index));
  }

  std::vector<Choice> choices_;
  // Made once: views of views would ask each other for it again and again.
  std::uint64_t hash_ = 1469598103934665603ULL;
};

}  // namespace medaug
