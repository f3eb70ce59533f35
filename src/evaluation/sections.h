// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"

// An evaluation laid out for people: sections with tables, in words that both languages have. The
// report and the console write the same layout, each in its own way.

namespace medaug {

/// A key of the table of texts, or data that reads the same in each language; the other is empty.
struct Part {
  std::string key;
  std::string data;  ///< UTF-8, not escaped
};
using Cell = std::vector<Part>;

Cell term(std::string key);
Cell datum(std::string text);
/// What a key of the JSON is called, or the key itself.
Cell name_of_key(const std::string& key);

enum class BlockKind {
  kMeasures,  ///< rows of MeasureColumn: values of many images, summed up
  kFacts,     ///< rows of a name and what belongs to it
  kTable,
};
enum MeasureColumn { kMeasure, kCount, kMean, kMedian, kRange, kInterval, kBand, kBetter };

struct ReportBlock {
  BlockKind kind = BlockKind::kTable;
  Cell caption = {};                         ///< may be empty
  std::vector<Cell> head = {};               ///< empty for facts
  std::vector<std::vector<Cell>> rows = {};  ///< each begins with its name
  Json chart = nullptr;  ///< {"labels": [{"key", "data"}], "series": [{"name": {"key", "data"},
                         ///< "values", "shown", "low", "high"}]}, or null
  bool on_console = true;
};

struct Section {
  std::string id;  ///< letters, digits and dashes
  Cell title = {};
  std::vector<std::string> notes = {};  ///< keys of texts
  std::vector<ReportBlock> blocks = {};
  bool on_console = true;
};

/// The parts that are there, in a fixed order; what is not known by name comes last, as plain
/// tables. The single images are left out.
std::vector<Section> sections_of(const Json& evaluation);

/// Reasons of skipped images with the places taken out, and how often each occurs.
struct SkippedReason {
  std::string reason;
  std::vector<std::string> names;
};
std::vector<SkippedReason> skipped_reasons(const Json& evaluation);

}  // namespace medaug
