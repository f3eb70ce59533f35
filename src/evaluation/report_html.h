// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "evaluation/report_pictures.h"
#include "evaluation/sections.h"
#include "evaluation/texts.h"

// Pieces of the report's page. Text of both languages is marked with its key, so that the page can
// change its language; data is escaped.

namespace medaug {

/// Safe between tags and inside of quoted attributes.
std::string html_escaped(std::string_view text);

/// JSON that may stand inside of a script element: "<", ">" and "&" as \u003c and so on.
std::string json_for_script(const Json& value);

/// Writes pieces of HTML in one language; collects the charts that the page's script draws.
class HtmlWriter {
 public:
  explicit HtmlWriter(Language language) : language_(language) {}

  /// An element that shows the text. @param tag  "span", "h2"
  std::string text(std::string_view key, std::string_view tag = "span") const;
  std::string cell(const Cell& cell) const;
  std::string section(const Section& section);
  /// Opening tag and heading of a section.
  std::string section_start(const std::string& id, const Cell& title) const;
  /// A picture with its text below.
  std::string picture(const Picture& picture) const;

  const Json& charts() const { return charts_; }

 private:
  std::string table(const ReportBlock& block) const;
  std::string row(const std::vector<Cell>& cells) const;

  Language language_;
  Json charts_ = Json::array();
};

}  // namespace medaug
