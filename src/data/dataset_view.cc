// SPDX-License-Identifier: MIT
#include "data/dataset_view.h"

#include <utility>

namespace medaug {

DatasetView::DatasetView(std::vector<Choice> choices) : choices_(std::move(choices)) {
  // FNV-1a over whole numbers.
  for (const auto& choice : choices_) {
    for (const auto part :
         {choice.data->content_hash(), static_cast<std::uint64_t>(choice.index)}) {
      hash_ = (hash_ ^ part) * 1099511628211ULL;
    }
  }
}

}  // namespace medaug
