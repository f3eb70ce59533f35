// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "flow/guidance.h"
#include "models/generator.h"

namespace medaug {

inline bool sees_text(Branch branch) {
  return branch == Branch::kFull || branch == Branch::kNoMask;
}
inline bool sees_mask(Branch branch) {
  return branch == Branch::kFull || branch == Branch::kNoText;
}

/// What each branch may see, branch by branch along the batch, for one call of the network.
/// @param given    of N images
/// @param no_text  tokens and their mask of the empty (or negative) captions, N or one for all;
///                 unused when every branch sees the text
/// @return         of branches.size() * N images
Conditions stack_branches(const Conditions& given, const Conditions& no_text,
                          std::span<const Branch> branches);

}  // namespace medaug
