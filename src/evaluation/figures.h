// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/fields.h"

// How numbers of an evaluation are written for people. The JSON and the CSV hold them in full.

namespace medaug {

/// A number with as many digits as its measure is known to mean, four significant ones for
/// measures that are not in the table; at least two, so that a small value does not become 0.
/// @param measure  key of the JSON, with or without the prefix "colour_"; may be empty
std::string figure(double value, std::string_view measure = {});
/// Of a number, "[a, b]" of a list of two, "a ± b" of {"value", "se"}, and a dash for null.
std::string figure(const Json& value, std::string_view measure = {});

/// Key of the text that tells which values are good: "better.higher", "better.lower",
/// "better.one", or empty.
std::string_view better_of(std::string_view measure);

/// True for {"n", "mean", ...}, as a list of values is summed up.
bool is_summary(const Json& value);
/// The number itself, or the mean of a summary. @return null when there is none
Json central(const Json& value);

}  // namespace medaug
