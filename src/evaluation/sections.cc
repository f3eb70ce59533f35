// SPDX-License-Identifier: MIT
#include "evaluation/sections.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "evaluation/figures.h"
#include "evaluation/section_blocks.h"
#include "evaluation/section_parts.h"
#include "evaluation/texts.h"

namespace medaug {
namespace {

/// Parts that have a place of their own; `images` is told by the report itself.
constexpr std::array<std::string_view, 14> kKnown{
    "format",       "generated", "reference",     "training",  "count",
    "skipped",      "images",    "image_quality", "structure", "agreement",
    "distribution", "copies",    "experiment",    "provenance"};

// --- overview

Cell source_cell(const Json& source) {
  Cell cell;
  if (inside(source, "images").is_number()) {
    cell = datum(figure(inside(source, "images")) + "  ");
  }
  cell.push_back({"", value_cell(inside(source, "path"), "path").front().data});
  return cell;
}

/// Rows of the table at the head of the report: measure, value, interval, what stands beside it,
/// band.
struct Headlines {
  ReportBlock block{.head = {term("head.measure"), term("page.value"), term("head.ci95"),
                             term("head.beside"), term("head.band")},
                    .on_console = false};

  void add(Cell name, Cell value, const Json& interval, Cell beside,
           std::string_view measure = "share") {
    block.rows.push_back({std::move(name),
                          std::move(value),
                          interval.is_array() ? datum(figure(interval, measure)) : datum("–"),
                          std::move(beside),
                          {}});
  }
  void add_summary(Cell name, const Json& summary, const std::string& measure, Cell beside) {
    if (!is_summary(summary)) {
      return;
    }
    const auto& band = inside(summary, "band");
    block.rows.push_back({std::move(name), datum(figure(central(summary), measure)),
                          datum(figure(inside(summary, "ci95"), measure)), std::move(beside),
                          band.is_string() ? term("band." + band.get<std::string>()) : Cell{}});
  }
};

ReportBlock headlines(const Json& evaluation) {
  Headlines table;
  const auto& agreement = inside(evaluation, "agreement");
  Cell beside;
  for (const auto* const key : {"ceiling", "null"}) {
    if (is_summary(inside(agreement, key))) {
      beside = joined({beside, beside.empty() ? Cell{} : datum("; "), name_of_key(key),
                       datum(" " + figure(central(inside(agreement, key)), "dice"))});
    }
  }
  table.add_summary(term("name.mean_dice"), inside(agreement, "generated"), "dice", beside);
  if (const auto& ratio = inside(agreement, "over_ceiling"); ratio.is_number()) {
    table.add(term("name.over_ceiling"), value_cell(ratio, "over_ceiling"), nullptr, {});
  }
  for (const auto* const key : {"psnr", "ssim"}) {
    table.add_summary(name_of_key(key), inside(inside(evaluation, "image_quality"), key), key, {});
  }
  table.add_summary(term("name.colour_dice"), inside(inside(evaluation, "structure"), "dice"),
                    "dice", {});
  const auto& spaces = inside(inside(evaluation, "distribution"), "spaces");
  for (const auto& space : spaces.is_array() ? spaces : Json::array()) {
    table.add(joined({term("name.kid"), datum(", "), value_cell(inside(space, "name"), "space")}),
              datum(figure(inside(inside(space, "generated"), "kid"), "kid")), nullptr,
              joined({term("name.floor"), datum(" "),
                      datum(figure(inside(inside(space, "floor"), "kid"), "kid"))}));
  }
  const auto& copies = inside(evaluation, "copies");
  if (inside(copies, "share").is_number()) {
    table.add(term("name.share"), datum(figure(inside(copies, "share"), "share")),
              inside(copies, "share_ci95"), {});
  }
  const auto& verdict = inside(inside(evaluation, "experiment"), "verdict");
  if (verdict.is_object()) {
    table.add(
        joined({value_cell(inside(verdict, "score"), "score"), datum(", "),
                value_cell(inside(verdict, "arm"), "arm"), datum(" − "),
                value_cell(inside(verdict, "control"), "control")}),
        joined({datum(figure(inside(verdict, "points"), "points") + " "), name_of_key("points")}),
        inside(verdict, "points_ci95"), value_cell(inside(verdict, "text"), "verdict"), "points");
  }
  return table.block;
}

Section overview(const Json& evaluation) {
  auto section = titled("overview");
  auto facts = facts_block({});
  const auto& count = inside(evaluation, "count");
  const auto& skipped = inside(inside(evaluation, "skipped"), "n");
  if (count.is_number()) {  // an experiment alone has no images of its own
    add_fact(facts, term("name.count"), datum(figure(count)));
    add_fact(facts, term("name.skipped"), datum(figure(skipped)));
  }
  for (const auto* const key : {"generated", "reference", "training"}) {
    if (has_object(evaluation, key)) {
      add_fact(facts, name_of_key(key), source_cell(inside(evaluation, key)));
    }
  }
  section.blocks.push_back(std::move(facts));
  if (auto table = headlines(evaluation); !table.rows.empty()) {
    section.blocks.push_back(std::move(table));
  }
  return section;
}

// --- image quality and structure

Section image_quality_section(const Json& part) {
  auto section = titled("image_quality");
  section.notes = {"note.image_quality"};
  section.blocks.push_back(summaries_block({}, part, {"psnr", "ssim", "ms_ssim", "mae", "mse"}));
  if (const auto& identical = inside(part, "identical");
      identical.is_number() && identical.get<double>() > 0.0) {
    section.notes.emplace_back("note.identical");
    auto facts = facts_block({});
    add_fact(facts, term("name.identical"), datum(figure(identical)));
    section.blocks.push_back(std::move(facts));
  }
  return section;
}

Section structure_section(const Json& part) {
  auto section = titled("structure");
  section.notes = {"note.structure"};
  section.blocks.push_back(outlines_block({}, part));
  auto facts = facts_block({});
  for (const auto* const key : {"method", "rule"}) {
    if (inside(part, key).is_string()) {
      add_fact(facts, name_of_key(key), value_cell(inside(part, key), key));
    }
  }
  section.blocks.push_back(std::move(facts));
  return section;
}

// --- the rest

Section copies_section(const Json& part) {
  auto section = titled("copies");
  section.notes = {"note.copies"};
  auto rest = part;
  ReportBlock kinds{
      .caption = joined({name_of_key("planted"), datum(", "), name_of_key("by_kind")}),
      .head = {term("name.by_kind"), term("name.found"), term("head.count")}};
  if (has_object(inside(part, "planted"), "by_kind")) {
    for (const auto& [kind, one] : part["planted"]["by_kind"].items()) {
      kinds.rows.push_back({name_of_key(kind), datum(figure(inside(one, "found"))),
                            datum(figure(inside(one, "n")))});
    }
    rest["planted"].erase("by_kind");
  }
  add_anything(section, rest, {});
  section.blocks.push_back(std::move(kinds));
  return section;
}

/// A row for each arm, a column for each score: "+3.1 [1.2, 5.0]: better".
ReportBlock differences_block(const Json& differences) {
  ReportBlock block{.caption = name_of_key("differences"), .head = {term("name.arm")}};
  for (const auto& [arm, scores] : differences.items()) {
    std::vector<Cell> row{datum(arm)};
    for (const auto& [score, d] : scores.items()) {
      if (block.rows.empty()) {
        block.head.push_back(name_of_key(score));
      }
      row.push_back(joined({datum(figure(inside(d, "points"), "points") + " " +
                                  figure(inside(d, "points_ci95"), "points") + "; "),
                            value_cell(inside(d, "verdict"), "verdict")}));
    }
    block.rows.push_back(std::move(row));
  }
  return block;
}

Section experiment_section(const Json& part) {
  auto section = titled("experiment");
  section.notes = {"note.experiment"};
  auto rest = part;
  if (const auto& arms = inside(part, "arms"); arms.is_object() || arms.is_array()) {
    section.blocks.push_back(arms_block(arms));
    rest.erase("arms");
  }
  if (has_object(part, "differences")) {
    section.blocks.push_back(differences_block(part["differences"]));
    rest.erase("differences");
  }
  add_anything(section, rest, {});
  return section;
}

Section skipped_section(const Json& evaluation) {
  auto section = titled("skipped");
  ReportBlock block{.head = {term("head.reason"), term("head.count"), term("head.examples")}};
  constexpr std::size_t kExamples = 5;
  for (const auto& [reason, names] : skipped_reasons(evaluation)) {
    Json examples = Json::array();
    for (std::size_t i = 0; i < std::min(names.size(), kExamples); ++i) {
      examples.push_back(names[i]);
    }
    block.rows.push_back(
        {datum(reason), datum(std::to_string(names.size())), value_cell(examples, "name")});
  }
  section.blocks.push_back(std::move(block));
  return section;
}

}  // namespace

std::vector<SkippedReason> skipped_reasons(const Json& evaluation) {
  std::vector<SkippedReason> reasons;
  const auto& items = inside(inside(evaluation, "skipped"), "items");
  for (const auto& item : items.is_array() ? items : Json::array()) {
    const auto name = value_cell(inside(item, "name"), "name").front().data;
    auto reason = value_cell(inside(item, "reason"), "reason").front().data;
    // "folder/image.png: what is wrong": the place differs for each image.
    if (const auto colon = reason.find(": ");
        colon != std::string::npos &&
        reason.substr(0, colon).find_first_of("/\\") != std::string::npos) {
      reason.erase(0, colon + 2);
    }
    const auto known = std::find_if(reasons.begin(), reasons.end(),
                                    [&](const SkippedReason& r) { return r.reason == reason; });
    if (known == reasons.end()) {
      reasons.push_back({reason, {name}});
    } else {
      known->names.push_back(name);
    }
  }
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& a, const auto& b) { return a.names.size() > b.names.size(); });
  return reasons;
}

std::vector<Section> sections_of(const Json& evaluation) {
  std::vector<Section> sections{overview(evaluation)};
  const auto add = [&](const char* key, auto&& make) {
    if (has_object(evaluation, key)) {
      sections.push_back(make(evaluation[key]));
    }
  };
  add("image_quality", image_quality_section);
  add("structure", structure_section);
  add("agreement", agreement_section);
  add("distribution", distribution_section);
  add("copies", copies_section);
  add("experiment", experiment_section);
  for (const auto& [key, part] : evaluation.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      Section section{.id = "part-" + std::to_string(sections.size()), .title = name_of_key(key)};
      add_anything(section, part, part.is_object() ? Cell{} : name_of_key(key));
      sections.push_back(std::move(section));
    }
  }
  if (!skipped_reasons(evaluation).empty()) {
    sections.push_back(skipped_section(evaluation));
  }
  add("provenance", [](const Json& part) {
    auto section = titled("provenance");
    add_anything(section, part, {});
    section.on_console = false;  // where the reader has just typed the command
    return section;
  });
  for (auto& section : sections) {
    std::erase_if(section.blocks, [](const ReportBlock& block) { return block.rows.empty(); });
  }
  return sections;
}

}  // namespace medaug
