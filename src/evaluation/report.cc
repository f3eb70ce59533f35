// SPDX-License-Identifier: MIT
#include "evaluation/report.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "evaluation/figures.h"
#include "evaluation/image_table.h"
#include "evaluation/report_assets.h"
#include "evaluation/report_html.h"
#include "evaluation/report_pictures.h"
#include "evaluation/section_blocks.h"
#include "evaluation/sections.h"

namespace medaug {
namespace {

constexpr std::size_t kShown = 10;
constexpr std::size_t kPictureBytes = 6'000'000;
/// Longest sides of the pictures; the first at which all of them fit. Pure noise fits at the last.
constexpr std::array<std::int64_t, 4> kSides{160, 128, 96, 64};
/// What the table of all images leaves out: paths that the pictures stand for.
constexpr std::array<std::string_view, 3> kPaths{"generated", "reference", "mask"};

constexpr std::string_view kNoScore = "data_range";

/// One shown image: its name, its figures and its pictures.
struct Card {
  const Json* row = nullptr;
  std::vector<Picture> pictures;
};

struct Gallery {
  std::string id;
  std::string measure;  ///< by which it was chosen
  std::vector<Card> cards;
};

std::vector<Gallery> galleries_of(const Json& rows, const RegionFinder& finder) {
  const auto measure = ranking_measure(rows);
  const auto ends = extremes(rows, measure, kShown);
  std::vector<Gallery> galleries{
      {"worst", measure, {}}, {"best", measure, {}}, {"suspects", "copy_score", {}}};
  const std::array<std::vector<std::size_t>, 3> chosen{ends.worst, ends.best,
                                                       suspects(rows, kShown)};
  for (std::size_t g = 0; g < galleries.size(); ++g) {
    for (const auto i : chosen[g]) {
      galleries[g].cards.push_back({&rows[i], pictures_of(rows[i], finder, kSides.front())});
    }
  }
  std::erase_if(galleries, [](const Gallery& gallery) { return gallery.cards.empty(); });
  return galleries;
}

std::string card_html(const HtmlWriter& html, const Card& card, std::int64_t side) {
  std::string out =
      "<article><h3>" + html.cell(value_cell(inside(*card.row, "name"), "name")) + "</h3>\n<dl>";
  for (const auto& [key, value] : card.row->items()) {
    if (value.is_number() && key != kNoScore) {
      out += "<div><dt>" + html.cell(name_of_key(key)) + "</dt><dd>" +
             html.cell(value_cell(value, key)) + "</dd></div>";
    }
  }
  out += "</dl>\n<div class=\"pictures\">";
  for (const auto& picture : card.pictures) {
    out += html.picture({picture.kind, shrunk(picture.image, side)});
  }
  return out + "</div></article>\n";
}

std::string gallery_html(const HtmlWriter& html, const Gallery& gallery, std::int64_t side) {
  auto out = html.section_start(gallery.id, joined({term("section." + gallery.id), datum(" ("),
                                                    name_of_key(gallery.measure), datum(")")}));
  out += html.text("note.pictures", "p");
  for (const auto& card : gallery.cards) {
    out += card_html(html, card, side);
  }
  return out + "</section>\n";
}

/// All galleries, with pictures so small that they fit.
std::string galleries_html(const HtmlWriter& html, const std::vector<Gallery>& galleries) {
  std::string out;
  for (const auto side : kSides) {
    out.clear();
    for (const auto& gallery : galleries) {
      out += gallery_html(html, gallery, side);
    }
    if (out.size() <= kPictureBytes) {
      break;
    }
  }
  return out;
}

/// The table of all images as the page's script reads it: figures as they are shown.
Json table_json(const Json& rows) {
  auto keys = image_columns(rows);
  std::erase_if(keys, [](const std::string& key) {
    return std::find(kPaths.begin(), kPaths.end(), key) != kPaths.end();
  });
  Json columns = Json::array();
  for (const auto& key : keys) {
    const auto name = name_of_key(key).front();
    const bool numeric = std::any_of(rows.begin(), rows.end(),
                                     [&](const Json& row) { return inside(row, key).is_number(); });
    columns.push_back(
        {{"name", {{{"key", name.key}, {"data", printable(name.data)}}}}, {"numeric", numeric}});
  }
  Json lines = Json::array();
  for (const auto& row : rows) {
    Json line = Json::array();
    for (const auto& key : keys) {
      const auto& value = inside(row, key);
      line.push_back(value.is_null() || value.is_boolean()
                         ? value
                         : Json(printable(value_cell(value, key).front().data)));
    }
    lines.push_back(std::move(line));
  }
  return {{"columns", std::move(columns)}, {"rows", std::move(lines)}};
}

Json texts_json() {
  Json texts = Json::object();
  for (const auto& text : all_texts()) {
    texts[std::string(text.key)] = {text.en, text.zh};
  }
  return texts;
}

/// "'sha256-...'" of what stands between the tags, for the page's own rules.
std::string source_hash(std::string_view content) {
  const auto hex = sha256(content);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return "'sha256-" + base64(bytes) + "'";
}

std::string content_policy() {
  return "default-src 'none'; img-src data:; style-src " + source_hash(report_assets::style()) +
         "; script-src " + source_hash(report_assets::chart()) + " " +
         source_hash(report_assets::script()) + "; base-uri 'none'; form-action 'none'";
}

/// The page with each {{name}} replaced, in one go: what is put in is not looked at again.
std::string filled(std::string_view page, const std::map<std::string, std::string>& values) {
  std::string out;
  while (true) {
    const auto begin = page.find("{{");
    const auto end = page.find("}}", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) {
      return out.append(page);
    }
    out.append(page.substr(0, begin));
    out.append(values.at(std::string(page.substr(begin + 2, end - begin - 2))));
    page.remove_prefix(end + 2);
  }
}

struct Body {
  std::string contents;  ///< links to the sections
  std::string sections;
};

void add_section(Body& body, const HtmlWriter& html, const std::string& id, const Cell& title,
                 const std::string& section) {
  body.contents += "<li><a href=\"#" + html_escaped(id) + "\">" + html.cell(title) + "</a></li>\n";
  body.sections += section;
}

/// What the page's script fills: histograms and the table of all images.
void add_image_sections(Body& body, HtmlWriter& html, const Json& rows,
                        const RegionFinder& finder) {
  if (rows.empty()) {
    return;
  }
  const auto add_empty = [&](const std::string& id) {
    const auto title = term("section." + id);
    add_section(body, html, id, title,
                html.section_start(id, title) + "<div id=\"" + id + "-place\"></div></section>\n");
  };
  add_empty("histograms");
  const auto galleries = galleries_of(rows, finder);
  for (const auto& gallery : galleries) {
    const bool first = &gallery == &galleries.front();
    add_section(body, html, gallery.id, term("section." + gallery.id),
                first ? galleries_html(html, galleries) : "");
  }
  add_empty("images");
}

Body body_of(const Json& evaluation, HtmlWriter& html, const RegionFinder& finder) {
  Body body;
  auto sections = sections_of(evaluation);
  // What was skipped and where the figures came from stand last.
  const auto last = std::find_if(sections.begin(), sections.end(), [](const Section& s) {
    return s.id == "skipped" || s.id == "provenance";
  });
  const auto add = [&](const Section& section) {
    add_section(body, html, section.id, section.title, html.section(section));
  };
  std::for_each(sections.begin(), last, add);
  add_image_sections(body, html, image_rows(evaluation), finder);
  std::for_each(last, sections.end(), add);
  return body;
}

/// Without its segmenter, a colour is not drawn in its place.
RegionFinder finder_for(const Json& evaluation, const ReportOptions& options) {
  const auto& rule = inside(inside(evaluation, "structure"), "rule");
  const bool wanted = rule.is_string() && !has_object(evaluation, "agreement");
  return {options.segmenter,
          wanted ? enum_from_name<ColourRule>(rule.get<std::string>()) : std::nullopt};
}

}  // namespace

void write_report(const Json& evaluation, const std::filesystem::path& path,
                  const ReportOptions& options) {
  HtmlWriter html(options.language);
  const auto body = body_of(evaluation, html, finder_for(evaluation, options));
  const auto label = [&](const char* key) { return html_escaped(text_of(key, options.language)); };
  const Json data = {{"texts", texts_json()},
                     {"charts", html.charts()},
                     {"table", table_json(image_rows(evaluation))}};
  std::map<std::string, std::string> values{
      {"language", options.language == Language::kChinese ? "zh-Hans" : "en"},
      {"policy", content_policy()},
      {"style", std::string(report_assets::style())},
      {"chart", std::string(report_assets::chart())},
      {"script", std::string(report_assets::script())},
      {"data", json_for_script(data)},
      {"contents", body.contents},
      {"sections", body.sections}};
  for (const auto* const key : {"page.title", "page.language", "page.theme", "page.contents"}) {
    values[std::string("label ") + key] = label(key);
  }
  for (const auto& text : all_texts()) {
    values["text " + std::string(text.key)] = html.text(text.key);
  }
  write_file_atomically(path, filled(report_assets::page(), values));
}

}  // namespace medaug
