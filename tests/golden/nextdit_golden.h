// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "case_folder.h"
#include "models/nextdit.h"

namespace medaug::golden {

/// Options of the reference's constructor arguments: Lumina's ends, no mask branch.
NextDiTOptions lumina_options(const Json& arguments);

/// A network with the weights of `file`; every key and shape must be there, and no other.
std::unique_ptr<NextDiT> lumina_network(CaseFolder& folder, const NextDiTOptions& options,
                                        const std::string& file);

/// <prefix>cap_feats and <prefix>cap_mask.
NextDiTInput captions_of(CaseFolder& folder, const std::string& file, const std::string& prefix);

/// Lumina's guidance (forward_with_cfg): the first half of the batch, once with each half of the
/// captions; both halves of the result are the guided velocity on the first three channels.
Tensor guided(const NextDiT& network, NextDiTInput in, double scale, const NextDiTCall& call);

/// Inside of the first block, recomputed with the operators that the model uses:
/// <prefix>layer0.attn_in, .q_rotated, ...
/// @param observed  what the model showed for this input
void compare_first_block(CaseFolder& folder, const std::string& file, const std::string& prefix,
                         const NextDiT& network, const std::map<std::string, at::Tensor>& observed);

/// Rotary and time tables, and the parameter layouts of the real configurations.
void compare_tables(CaseFolder& folder);
void compare_layouts(CaseFolder& folder);

}  // namespace medaug::golden
