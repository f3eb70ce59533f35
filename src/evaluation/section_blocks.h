// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "evaluation/sections.h"

// Tables of a section, out of pieces of the JSON.

namespace medaug {

/// The value, or null where `value` is no object or has no such key.
const Json& inside(const Json& value, std::string_view key);
bool has_object(const Json& value, std::string_view key);

/// An empty section; `id` is also the key of its title.
Section titled(const std::string& id);
Cell joined(std::initializer_list<Cell> cells);

struct MeasureRow {
  Cell name;
  const Json* summary = nullptr;  ///< see `is_summary`
  std::string measure;            ///< key, for the digits and for what is better
};
ReportBlock measures_block(Cell caption, const std::vector<MeasureRow>& rows);
/// One row for each of `keys` that holds a summary.
ReportBlock summaries_block(Cell caption, const Json& part,
                            std::initializer_list<const char*> keys);
/// Dice, IoU and the distances of the outlines.
ReportBlock outlines_block(Cell caption, const Json& part);

ReportBlock facts_block(Cell caption);
void add_fact(ReportBlock& block, Cell name, Cell value);

/// Bars of several series over the same labels; a series is a list of numbers, summaries or nulls.
struct Series {
  Cell name;
  std::vector<Json> values;
};
/// @param measure  key of what the bars are: the title, and the digits
Json bars_chart(const std::vector<Cell>& labels, const std::vector<Series>& series,
                const std::string& measure);

/// The number, a word, an interval or a short list. @param key  of the JSON, for the digits
Cell value_cell(const Json& value, const std::string& key);
/// "0.8123 [0.7990, 0.8251]" of a summary
Cell mean_and_interval(const Json& value, const std::string& measure);

/// Whatever `value` holds, as tables: facts, summaries, lists of objects, and objects inside it.
void add_anything(Section& section, const Json& value, const Cell& caption);

/// A row for each arm, a column for each summary in any of them, and a chart of the first ones.
/// @param arms  object by name, or list of objects with "name"
ReportBlock arms_block(const Json& arms);

}  // namespace medaug
