// SPDX-License-Identifier: MIT
#include "data/class_info.h"

#include <cstddef>

namespace medaug {

std::string class_name(const PreprocessOptions& options, std::int64_t k) {
  const auto i = static_cast<std::size_t>(k);
  return i < options.class_names.size() ? options.class_names[i] : "class " + std::to_string(k + 1);
}

std::int64_t class_label(const PreprocessOptions& options, std::int64_t k) {
  const auto i = static_cast<std::size_t>(k);
  if (i < options.mask_labels.size()) {
    return options.mask_labels[i];
  }
  return options.mask_classes == 1 ? 255 : k + 1;
}

}  // namespace medaug
