// SPDX-License-Identifier: MIT
#include <array>
#include <string_view>

#include "evaluation/figures.h"
#include "evaluation/section_blocks.h"
#include "evaluation/section_parts.h"

namespace medaug {
namespace {

constexpr std::array<const char*, 3> kSets{"generated", "ceiling", "null"};

/// A row for each key of `group` ("per_class" or "per_size"), a column for each set of images.
ReportBlock by_group(const Json& agreement, const char* group, const char* head) {
  ReportBlock block{.caption = name_of_key(group), .head = {term(head)}};
  std::vector<std::string> keys;
  const auto& made = inside(inside(agreement, "generated"), group);
  if (!made.is_object()) {
    return block;
  }
  for (const auto& [key, value] : made.items()) {
    if (is_summary(value)) {
      keys.push_back(key);
    }
  }
  std::vector<Cell> labels;
  std::vector<Series> series;
  for (const auto& key : keys) {
    labels.push_back(std::string_view(group) == "per_size" ? name_of_key(key) : datum(key));
    block.rows.push_back({labels.back(), datum(figure(inside(made[key], "n")))});
  }
  block.head.push_back(term("head.n"));
  for (const auto* const set : kSets) {
    if (!has_object(agreement, set)) {
      continue;
    }
    block.head.push_back(name_of_key(set));
    series.push_back({term("short." + std::string(set)), {}});
    const auto& table = inside(inside(agreement, set), group);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto& value = inside(table, keys[i]);
      block.rows[i].push_back(is_summary(value) ? mean_and_interval(value, "dice") : datum("–"));
      series.back().values.push_back(value);
    }
  }
  block.chart = bars_chart(labels, series, "mean_dice");
  return block;
}

}  // namespace

Section agreement_section(const Json& part) {
  auto section = titled("agreement");
  section.notes = {"note.agreement"};
  if (!has_object(part, "ceiling")) {
    section.notes.emplace_back("note.no_ceiling");
  }
  std::vector<MeasureRow> sets;
  for (const auto* const set : kSets) {
    if (is_summary(inside(part, set))) {
      sets.push_back({name_of_key(set), &inside(part, set), "dice"});
    }
  }
  section.blocks.push_back(measures_block(term("name.mean_dice"), sets));
  auto facts = facts_block({});
  for (const auto* const key : {"over_ceiling", "null_over_ceiling"}) {
    if (inside(part, key).is_number()) {
      add_fact(facts, name_of_key(key), value_cell(inside(part, key), key));
    }
  }
  const auto& limits = inside(inside(inside(part, "generated"), "per_size"), "area_limits");
  if (limits.is_array()) {
    add_fact(facts, term("name.area_limits"), value_cell(limits, "mask_share"));
  }
  section.blocks.push_back(std::move(facts));
  section.blocks.push_back(by_group(part, "per_class", "head.class"));
  section.blocks.push_back(by_group(part, "per_size", "head.size"));
  section.blocks.push_back(outlines_block(term("name.outlines"), inside(part, "outlines")));
  if (has_object(part, "segmenter")) {
    Section rest;
    add_anything(rest, part["segmenter"], term("name.segmenter"));
    for (auto& block : rest.blocks) {
      block.on_console = false;
      section.blocks.push_back(std::move(block));
    }
  }
  return section;
}

}  // namespace medaug
