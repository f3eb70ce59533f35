// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medaug::app {

/// One part of a form.
struct FormPart {
  std::string name;
  std::string type;        ///< Content-Type, or ""
  bool is_file = false;    ///< it came with a file name, which is not kept: nobody may use it
  std::string_view bytes;  ///< into the body
};

/// multipart/form-data (RFC 7578). At most 64 parts, with headers of 8 KB.
/// @param content_type  with its boundary
/// @throws HttpError 400 or 413 for what is malformed, nested or too much
std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body);

}  // namespace medaug::app
