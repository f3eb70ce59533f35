// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>

#include "evaluation/figures.h"
#include "evaluation/section_blocks.h"
#include "evaluation/section_parts.h"

namespace medaug {
namespace {

constexpr double kFewImages = 100.0;

ReportBlock space_block(const Json& space) {
  ReportBlock block{
      .caption = joined(
          {term("head.space"), datum(": "), value_cell(inside(space, "name"), "space"), datum(", "),
           term("name.dimensions"), datum(" " + figure(inside(space, "dimensions")))}),
      .head = {term("head.measure"), term("name.generated"), term("name.floor"),
               term("head.better")}};
  const auto& made = inside(space, "generated");
  const auto& floor = inside(space, "floor");
  for (const auto& [key, value] : made.items()) {
    const auto better = std::string(better_of(key));
    block.rows.push_back({name_of_key(key), datum(figure(value, key)),
                          datum(figure(inside(floor, key), key)),
                          better.empty() ? Cell{} : term(better)});
  }
  return block;
}

ReportBlock hashes_block(const Json& spaces) {
  auto block = facts_block(term("name.sha256"));
  for (const auto& space : spaces) {
    add_fact(block, value_cell(inside(space, "name"), "space"),
             value_cell(inside(space, "sha256"), "sha256"));
  }
  block.on_console = false;
  return block;
}

/// Sharpness, seams and spread of each set, then the distances with their floor.
void add_appearance(Section& section, const Json& part) {
  ReportBlock looks{.caption = term("name.appearance"),
                    .head = {term("head.measure"), term("name.generated"), term("name.reference"),
                             term("name.ratio")}};
  for (const auto* const key : {"sharpness", "seam_ratio", "spread"}) {
    looks.rows.push_back({name_of_key(key), value_cell(inside(inside(part, "generated"), key), key),
                          value_cell(inside(inside(part, "reference"), key), key),
                          value_cell(inside(inside(part, "ratio"), key), key)});
  }
  ReportBlock distances{.head = {term("head.measure"), term("name.distance"), term("name.floor"),
                                 term("head.better")}};
  for (const auto* const key : {"spectrum_distance", "histogram_distance"}) {
    distances.rows.push_back(
        {name_of_key(key), value_cell(inside(inside(part, "distance"), key), key),
         value_cell(inside(inside(part, "floor"), key), key), term("better.lower")});
  }
  section.blocks.push_back(std::move(looks));
  section.blocks.push_back(std::move(distances));
}

}  // namespace

Section distribution_section(const Json& part) {
  auto section = titled("distribution");
  section.notes = {"note.distribution"};
  const auto& images = inside(part, "images");
  for (const auto* const side : {"generated", "reference"}) {
    if (inside(images, side).is_number() && inside(images, side).get<double>() < kFewImages) {
      section.notes.emplace_back("note.few_images");
      break;
    }
  }
  auto facts = facts_block({});
  for (const auto& [key, value] : images.items()) {
    if (!value.is_null()) {
      add_fact(facts, name_of_key(key), value_cell(value, key));
    }
  }
  if (inside(part, "floor").is_string()) {
    add_fact(facts, term("name.floor"), value_cell(inside(part, "floor"), "floor"));
  }
  section.blocks.push_back(std::move(facts));
  const auto& spaces = inside(part, "spaces");
  if (spaces.is_array()) {
    std::transform(spaces.begin(), spaces.end(), std::back_inserter(section.blocks), space_block);
    section.blocks.push_back(hashes_block(spaces));
  }
  if (has_object(part, "appearance")) {
    add_appearance(section, part["appearance"]);
  }
  return section;
}

}  // namespace medaug
