// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace medaug {

inline constexpr std::size_t kMaxCaptionBytes = 100'000;

/// The form in which captions are trained, encoded and compared: white space of any kind folded to
/// single spaces, ends trimmed, control characters, zero-width spaces, byte order marks and
/// direction overrides removed. Letters keep their case, joiners of emoji and Persian stay.
/// @param where  named in the error: a manifest line or an option
/// @throws Error `code` for bytes that are not UTF-8 or more than kMaxCaptionBytes
std::string normalize_caption(std::string_view caption, std::string_view where = "caption",
                              ErrorCode code = ErrorCode::kInvalidArgument);

}  // namespace medaug
