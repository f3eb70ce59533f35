// SPDX-License-Identifier: MIT
#include "evaluation/image_table.h"

#include <algorithm>
#include <unordered_set>

namespace medaug {
namespace {

double number_at(const Json& row, const std::string& key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? found->get<double>() : 0.0;
}

bool has_number(const Json& row, const std::string& key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number();
}

bool is_flagged(const Json& row) {
  const auto found = row.find("copy_flag");
  return found != row.end() && (*found == true || *found == 1);
}

}  // namespace

const Json& image_rows(const Json& evaluation) {
  static const Json kNone = Json::array();
  const auto found = evaluation.find("images");
  const bool good =
      found != evaluation.end() && found->is_array() &&
      std::all_of(found->begin(), found->end(), [](const Json& row) { return row.is_object(); });
  return good ? *found : kNone;
}

std::vector<std::string> image_columns(const Json& rows) {
  std::vector<std::string> columns;
  std::unordered_set<std::string> known;
  for (const auto& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (known.insert(key).second) {
        columns.push_back(key);
      }
    }
  }
  return columns;
}

std::string ranking_measure(const Json& rows) {
  for (const auto* const measure : {"mean_dice", "ssim", "colour_dice", "psnr"}) {
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const Json& row) { return has_number(row, measure); })) {
      return measure;
    }
  }
  return "";
}

Extremes extremes(const Json& rows, const std::string& measure, std::size_t most) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (has_number(rows[i], measure)) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return number_at(rows[a], measure) < number_at(rows[b], measure);
  });
  const auto worst = std::min(most, (order.size() + 1) / 2);
  const auto best = std::min(most, order.size() - worst);
  using Step = std::vector<std::size_t>::difference_type;
  return {{order.begin(), order.begin() + static_cast<Step>(worst)},
          {order.rbegin(), order.rbegin() + static_cast<Step>(best)}};
}

std::vector<std::size_t> suspects(const Json& rows, std::size_t most) {
  std::vector<std::size_t> flagged;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_flagged(rows[i])) {
      flagged.push_back(i);
    }
  }
  std::stable_sort(flagged.begin(), flagged.end(), [&](std::size_t a, std::size_t b) {
    return number_at(rows[a], "copy_score") > number_at(rows[b], "copy_score");
  });
  flagged.resize(std::min(most, flagged.size()));
  return flagged;
}

}  // namespace medaug
