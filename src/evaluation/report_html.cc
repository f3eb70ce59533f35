// SPDX-License-Identifier: MIT
#include "evaluation/report_html.h"

#include "base/strings.h"

namespace medaug {
namespace {

constexpr std::size_t kLongest = 4000;  // bytes of one value: a command line may be long

std::string_view entity_of(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

/// Names of any direction of writing, each by itself.
std::string data_html(const std::string& data) {
  return "<bdi>" + html_escaped(printable(data, kLongest)) + "</bdi>";
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto entity = entity_of(c);
    entity.empty() ? out.push_back(c) : static_cast<void>(out.append(entity));
  }
  return out;
}

std::string json_for_script(const Json& value) {
  std::string out;
  for (const char c : value.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string HtmlWriter::text(std::string_view key, std::string_view tag) const {
  const std::string name(tag);
  return "<" + name + " data-t=\"" + html_escaped(key) + "\">" +
         html_escaped(text_of(key, language_)) + "</" + name + ">";
}

std::string HtmlWriter::cell(const Cell& cell) const {
  std::string out;
  for (const auto& part : cell) {
    out += part.key.empty() ? data_html(part.data) : text(part.key);
  }
  return out;
}

std::string HtmlWriter::row(const std::vector<Cell>& cells) const {
  std::string out = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool band = cells[i].size() == 1 && cells[i].front().key.starts_with("band.");
    const auto inner = band ? "<span class=\"" + html_escaped(cells[i].front().key.substr(5)) +
                                  " band\">" + cell(cells[i]) + "</span>"
                            : cell(cells[i]);
    out += i == 0 ? "<th scope=\"row\">" + inner + "</th>" : "<td>" + inner + "</td>";
  }
  return out + "</tr>\n";
}

std::string HtmlWriter::table(const ReportBlock& block) const {
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table";
  out += block.kind == BlockKind::kFacts ? " class=\"facts\">" : ">";
  if (!block.caption.empty()) {
    out += "<caption>" + cell(block.caption) + "</caption>";
  }
  if (!block.head.empty()) {
    out += "<thead><tr>";
    for (const auto& head : block.head) {
      out += "<th scope=\"col\">" + cell(head) + "</th>";
    }
    out += "</tr></thead>";
  }
  out += "<tbody>\n";
  for (const auto& cells : block.rows) {
    out += row(cells);
  }
  return out + "</tbody></table></div>\n";
}

std::string HtmlWriter::section_start(const std::string& id, const Cell& title) const {
  const auto safe = html_escaped(id);
  return "<section id=\"" + safe + "\" aria-labelledby=\"" + safe + "-title\"><h2 id=\"" + safe +
         "-title\">" + cell(title) + "</h2>\n";
}

std::string HtmlWriter::section(const Section& section) {
  auto out = section_start(section.id, section.title);
  for (const auto& note : section.notes) {
    out += text(note, "p");
  }
  for (const auto& block : section.blocks) {
    out += table(block);
    if (!block.chart.is_null()) {
      out += "<div class=\"chart\" data-chart=\"" + std::to_string(charts_.size()) + "\"></div>\n";
      charts_.push_back(block.chart);
    }
  }
  return out + "</section>\n";
}

std::string HtmlWriter::picture(const Picture& picture) const {
  const auto alt = html_escaped(text_of(picture.kind, language_));
  return "<figure><img alt=\"" + alt + "\" data-alt=\"" + html_escaped(picture.kind) +
         "\" width=\"" + std::to_string(picture.image.width()) + "\" height=\"" +
         std::to_string(picture.image.height()) + "\" src=\"" + data_uri(picture.image) + "\">" +
         text(picture.kind, "figcaption") + "</figure>";
}

}  // namespace medaug
