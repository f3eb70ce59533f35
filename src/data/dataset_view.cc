// SPDX-License-Identifier: MIT
#include "data/dataset_view.h"

namespace medaug {

std::uint64_t DatasetView::content_hash() const {
  std::uint64_t hash = 1469598103934665603ULL;  // FNV-1a over whole numbers
  for (const auto& choice : choices_) {
    for (const auto part :
         {choice.data->content_hash(), static_cast<std::uint64_t>(choice.index)}) {
      hash = (hash ^ part) * 1099511628211ULL;
    }
  }
  return hash;
}

}  // namespace medaug
