// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Names of NextDiT's tensors in its two published forms: Lumina-T2X (lumina_next_t2i, the names
// that our network has, too) and diffusers' LuminaNextDiT2DModel. Both hold the same numbers in the
// same shapes.

namespace medaug {

/// Names under which diffusers stores a tensor of Lumina's; two for the weights of the queries,
/// which it keeps once for each of the two attentions. Empty for a name that its model has not.
std::vector<std::string> diffusers_keys(std::string_view lumina_key);

/// The reverse, also for the names of older versions of diffusers.
std::optional<std::string> lumina_key(std::string_view diffusers_key);

}  // namespace medaug
