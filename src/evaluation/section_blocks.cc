// SPDX-License-Identifier: MIT
#include "evaluation/section_blocks.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "base/strings.h"
#include "evaluation/figures.h"
#include "evaluation/texts.h"

namespace medaug {
namespace {

constexpr const char* kIntervalOf = "_ci95";
constexpr std::size_t kLongestList = 40;  // entries of a list in one cell
constexpr int kDeepest = 8;

bool is_scalar(const Json& value) { return value.is_primitive(); }

bool is_scalar_list(const Json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), is_scalar);
}

bool is_estimate(const Json& value) {
  return value.is_object() && value.size() == 2 && value.contains("value") && value.contains("se");
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_object(); });
}

/// Words that the program itself writes are told in the reader's language.
Cell word_cell(std::string text, const std::string& key) {
  static constexpr std::array<std::string_view, 6> kOurs{"method", "rule",  "floor",
                                                         "resize", "space", "verdict"};
  const bool ours = std::find(kOurs.begin(), kOurs.end(), key) != kOurs.end();
  return ours && has_text("value." + text) ? term("value." + text) : datum(std::move(text));
}

Json word(const Cell& cell) {
  Json parts = Json::array();
  for (const auto& part : cell) {
    parts.push_back({{"key", part.key}, {"data", printable(part.data)}});
  }
  return parts;
}

Cell with_name(Cell caption, const std::string& key) {
  const auto name = name_of_key(key);
  if (!caption.empty()) {
    caption.push_back({"", ": "});
  }
  caption.insert(caption.end(), name.begin(), name.end());
  return caption;
}

std::string element_text(const Json& value, const std::string& key) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_boolean() ? value.dump() : value_cell(value, key).front().data;
}

/// The keys of all objects of a list, in the order in which they come up.
std::vector<std::string> columns_of(const Json& rows) {
  std::vector<std::string> columns;
  for (const auto& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (std::find(columns.begin(), columns.end(), key) == columns.end()) {
        columns.push_back(key);
      }
    }
  }
  return columns;
}

Cell any_cell(const Json& value, const std::string& key) {
  if (is_summary(value)) {
    return mean_and_interval(value, key);
  }
  const bool plain = is_scalar(value) || is_scalar_list(value) || is_estimate(value);
  return plain ? value_cell(value, key)
               : datum(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

ReportBlock list_block(const Json& rows, Cell caption) {
  ReportBlock block{.caption = std::move(caption)};
  const auto columns = columns_of(rows);
  std::transform(columns.begin(), columns.end(), std::back_inserter(block.head), name_of_key);
  for (const auto& row : rows) {
    std::vector<Cell> cells;
    for (const auto& column : columns) {
      cells.push_back(any_cell(row.value(column, Json(nullptr)), column));
    }
    block.rows.push_back(std::move(cells));
  }
  return block;
}

/// Summaries anywhere inside a value, under the keys that lead to them.
using Found = std::vector<std::pair<std::string, const Json*>>;
void collect_summaries(const Json& value, const std::string& path, int depth, Found& found) {
  for (const auto& [key, inner] : value.items()) {
    const auto name = path.empty() ? key : path + " " + key;
    if (is_summary(inner)) {
      found.emplace_back(name, &inner);
    } else if (inner.is_object() && depth < kDeepest) {
      collect_summaries(inner, name, depth + 1, found);
    }
  }
}

void add_levels(Section& section, const Json& value, const Cell& caption, int depth) {
  auto facts = facts_block(caption);
  std::vector<MeasureRow> summaries;
  std::vector<std::string> deeper;
  for (const auto& [key, inner] : value.items()) {
    const bool belongs =
        key.ends_with(kIntervalOf) &&
        value.contains(key.substr(0, key.size() - std::string(kIntervalOf).size()));
    if (belongs) {
      continue;  // written with its number
    }
    if (is_summary(inner)) {
      summaries.push_back({name_of_key(key), &inner, key});
    } else if (is_scalar(inner) || is_scalar_list(inner) || is_estimate(inner) ||
               depth >= kDeepest) {
      auto cell = any_cell(inner, key);
      if (const auto interval = value.find(key + kIntervalOf); interval != value.end()) {
        cell.push_back({"", " " + figure(*interval, key)});
      }
      add_fact(facts, name_of_key(key), std::move(cell));
    } else {
      deeper.push_back(key);
    }
  }
  if (!facts.rows.empty()) {
    section.blocks.push_back(std::move(facts));
  }
  if (!summaries.empty()) {
    section.blocks.push_back(measures_block(caption, summaries));
  }
  for (const auto& key : deeper) {
    if (is_table(value[key])) {
      section.blocks.push_back(list_block(value[key], with_name(caption, key)));
    } else {
      add_levels(section, value[key], with_name(caption, key), depth + 1);
    }
  }
}

std::vector<Cell> measure_cells(const MeasureRow& row) {
  const auto& s = *row.summary;
  const auto at = [&](const char* key) { return s.value(key, Json(nullptr)); };
  const auto number = [&](const Json& value) { return figure(value, row.measure); };
  const auto band = at("band");
  const auto better = std::string(better_of(row.measure));
  std::string mean = number(at("mean"));
  if (at("std").is_number()) {
    mean += " ± " + number(at("std"));
  }
  return {row.name,
          datum(figure(at("n"))),
          datum(mean),
          datum(number(at("median"))),
          datum(number(Json::array({at("min"), at("max")}))),
          datum(number(at("ci95"))),
          band.is_string() ? term("band." + band.get<std::string>()) : Cell{},
          better.empty() ? Cell{} : term(better)};
}

}  // namespace

const Json& inside(const Json& value, std::string_view key) {
  static const Json kNull = nullptr;
  const auto found = value.is_object() ? value.find(key) : value.end();
  return found == value.end() ? kNull : *found;
}

bool has_object(const Json& value, std::string_view key) { return inside(value, key).is_object(); }

Section titled(const std::string& id) {
  return {.id = id, .title = term("section." + id), .notes = {}, .blocks = {}};
}

Cell joined(std::initializer_list<Cell> cells) {
  Cell out;
  for (const auto& cell : cells) {
    out.insert(out.end(), cell.begin(), cell.end());
  }
  return out;
}

Cell term(std::string key) { return {{std::move(key), ""}}; }
Cell datum(std::string text) { return {{"", std::move(text)}}; }

Cell name_of_key(const std::string& key) {
  if (has_text("name." + key)) {
    return term("name." + key);
  }
  auto plain = key;
  std::replace(plain.begin(), plain.end(), '_', ' ');
  return datum(plain);
}

ReportBlock measures_block(Cell caption, const std::vector<MeasureRow>& rows) {
  ReportBlock block{.kind = BlockKind::kMeasures, .caption = std::move(caption)};
  for (const auto* const key : {"head.measure", "head.n", "head.mean", "head.median", "head.range",
                                "head.ci95", "head.band", "head.better"}) {
    block.head.push_back(term(key));
  }
  std::transform(rows.begin(), rows.end(), std::back_inserter(block.rows), measure_cells);
  return block;
}

/// One row for each of `keys` that holds a summary.
ReportBlock summaries_block(Cell caption, const Json& part,
                            std::initializer_list<const char*> keys) {
  std::vector<MeasureRow> rows;
  for (const auto* const key : keys) {
    if (is_summary(inside(part, key))) {
      rows.push_back({name_of_key(key), &inside(part, key), key});
    }
  }
  return measures_block(std::move(caption), rows);
}

ReportBlock outlines_block(Cell caption, const Json& part) {
  return summaries_block(std::move(caption), part,
                         {"dice", "iou", "hd95_pixels", "assd_pixels", "hd95_mm", "assd_mm"});
}

ReportBlock facts_block(Cell caption) {
  return {.kind = BlockKind::kFacts, .caption = std::move(caption)};
}

void add_fact(ReportBlock& block, Cell name, Cell value) {
  block.rows.push_back({std::move(name), std::move(value)});
}

Json bars_chart(const std::vector<Cell>& labels, const std::vector<Series>& series,
                const std::string& measure) {
  Json chart = {
      {"title", word(name_of_key(measure))}, {"labels", Json::array()}, {"series", Json::array()}};
  for (const auto& label : labels) {
    chart["labels"].push_back(word(label));
  }
  for (const auto& [name, values] : series) {
    Json one = {{"name", word(name)},
                {"values", Json::array()},
                {"shown", Json::array()},
                {"intervals", Json::array()}};
    for (const auto& value : values) {
      const auto interval = is_summary(value) ? value.value("ci95", Json(nullptr)) : Json(nullptr);
      one["values"].push_back(central(value));
      one["shown"].push_back(is_summary(value) ? mean_and_interval(value, measure).front().data
                                               : figure(value, measure));
      one["intervals"].push_back(interval);
    }
    chart["series"].push_back(std::move(one));
  }
  return chart;
}

Cell value_cell(const Json& value, const std::string& key) {
  if (value.is_string()) {
    return word_cell(value.get<std::string>(), key);
  }
  if (value.is_boolean()) {
    return term(value.get<bool>() ? "value.true" : "value.false");
  }
  const bool pair = value.is_array() && value.size() == 2 && value[0].is_number();
  if (!value.is_array() || pair) {
    return datum(figure(value, key));
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(value.size(), kLongestList); ++i) {
    parts.push_back(element_text(value[i], key));
  }
  if (value.size() > kLongestList) {
    parts.emplace_back("...");
  }
  return datum(join(parts, ", "));
}

Cell mean_and_interval(const Json& value, const std::string& measure) {
  auto text = figure(central(value), measure);
  if (const auto interval = value.find("ci95"); interval != value.end() && interval->is_array()) {
    text += " " + figure(*interval, measure);
  }
  return datum(std::move(text));
}

void add_anything(Section& section, const Json& value, const Cell& caption) {
  if (is_table(value)) {
    section.blocks.push_back(list_block(value, caption));
  } else if (value.is_object()) {
    add_levels(section, value, caption, 0);
  } else {
    auto facts = facts_block({});
    add_fact(facts, caption, any_cell(value, ""));
    section.blocks.push_back(std::move(facts));
  }
}

ReportBlock arms_block(const Json& arms) {
  ReportBlock block{.caption = term("name.arms"), .head = {term("head.arm")}};
  std::vector<Cell> names;
  std::vector<Found> found;
  std::vector<std::string> measures;
  for (const auto& [key, arm] : arms.items()) {
    names.push_back(datum(arms.is_array() && arm.is_object() ? arm.value("name", key) : key));
    found.emplace_back();
    if (arm.is_object()) {
      collect_summaries(arm, "", 0, found.back());
    }
    for (const auto& [measure, summary] : found.back()) {
      if (std::find(measures.begin(), measures.end(), measure) == measures.end()) {
        measures.push_back(measure);
        block.head.push_back(name_of_key(measure));
      }
    }
  }
  std::vector<Series> series;
  for (const auto& measure : measures) {
    series.push_back({name_of_key(measure), {}});
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    block.rows.push_back({names[i]});
    for (std::size_t m = 0; m < measures.size(); ++m) {
      const auto at = std::find_if(found[i].begin(), found[i].end(),
                                   [&](const auto& one) { return one.first == measures[m]; });
      const auto value = at == found[i].end() ? Json(nullptr) : *at->second;
      series[m].values.push_back(value);
      block.rows.back().push_back(value.is_null() ? datum("–")
                                                  : mean_and_interval(value, measures[m]));
    }
  }
  if (!series.empty()) {
    block.chart = bars_chart(names, {series.front()}, measures.front());
  }
  return block;
}

}  // namespace medaug
