// SPDX-License-Identifier: MIT
#include "training/branches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include <vector>

namespace medaug {

Conditions stack_branches(const Conditions& given, const Conditions& no_text,
                          std::span<const Branch> branches) {
  const auto n = given.tokens.size(0);
  const auto stacked = [&](auto part) {
    std::vector<at::Tensor> parts;
    for (const auto branch : branches) {
      parts.push_back(part(branch));
    }
    return !parts.front().defined() || parts.size() == 1 ? parts.front() : at::cat(parts);
  };
  const auto empty = [n](const at::Tensor& rows) { return rows.expand({n, rows.size(1)}); };
  Conditions all;
  all.tokens =
      stacked([&](Branch b) { return sees_text(b) ? given.tokens : empty(no_text.tokens); });
  all.token_mask = stacked(
      [&](Branch b) { return sees_text(b) ? given.token_mask : empty(no_text.token_mask); });
  all.mask = stacked([&](Branch) { return given.mask; });
  all.mask_present = stacked([&](Branch b) {
    return sees_mask(b) || !given.mask.defined() ? given.mask_present
                                                 : at::zeros_like(given.mask_present);
  });
  all.augment = stacked([&](Branch) { return given.augment; });
  return all;
}

}  // namespace medaug
