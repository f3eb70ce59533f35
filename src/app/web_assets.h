// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medaug::app {

/// A file of the page, as it is served.
struct WebAsset {
  std::string_view name;  ///< "index.html"
  std::string_view type;  ///< "text/html; charset=utf-8"
  std::string_view bytes;
};

/// All files below web/, embedded by the build.
const std::vector<WebAsset>& web_assets();

/// RFC 1952, at the highest level.
std::string gzip(std::string_view bytes);

}  // namespace medaug::app
