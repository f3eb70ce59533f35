// SPDX-License-Identifier: MIT
#include "inference/augment_plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "data/pair.h"

namespace medaug {
namespace {

void check_choice(const AugmentPlan& plan) {
  const int given = (plan.ratio ? 1 : 0) + (plan.per_image ? 1 : 0) + (plan.count ? 1 : 0);
  if (given > 1) {
    throw Error(ErrorCode::kUsage, "augment", "--ratio, --per-image and --count exclude each other",
                "give one of them");
  }
  if (plan.balance_labels && plan.count) {
    throw Error(ErrorCode::kUsage, "augment", "--balance label says how many images are made",
                "leave --count out; --ratio or --per-image come on top");
  }
}

/// `total` images over `records`, as evenly as it goes.
void append_spread(const std::vector<std::int64_t>& records, std::int64_t total,
                   std::vector<std::int64_t>& out) {
  const auto size = static_cast<std::int64_t>(records.size());
  for (std::int64_t i = 0; i < total; ++i) {
    out.push_back(records[static_cast<std::size_t>(i * size / total)]);
  }
}

std::int64_t times(std::int64_t count, double ratio) {
  return std::llround(static_cast<double>(count) * ratio);
}

std::vector<std::int64_t> balanced(const Manifest& manifest, double ratio) {
  std::map<std::int64_t, std::vector<std::int64_t>> by_label;
  for (std::size_t i = 0; i < manifest.records.size(); ++i) {
    const auto& record = manifest.records[i];
    if (!record.label) {
      throw Error(ErrorCode::kData, place_of(manifest, record), "has no label",
                  "--balance label needs one in every record");
    }
    by_label[*record.label].push_back(static_cast<std::int64_t>(i));
  }
  std::size_t most = 0;
  for (const auto& [label, records] : by_label) {
    most = std::max(most, records.size());
  }
  const auto target = times(static_cast<std::int64_t>(most), 1.0 + ratio);
  std::vector<std::int64_t> sources;
  for (const auto& [label, records] : by_label) {
    append_spread(records, target - static_cast<std::int64_t>(records.size()), sources);
  }
  return sources;
}

}  // namespace

std::vector<std::int64_t> planned_sources(const Manifest& manifest, const AugmentPlan& plan) {
  check_choice(plan);
  const auto ratio =
      plan.per_image ? std::optional(static_cast<double>(*plan.per_image)) : plan.ratio;
  if (plan.balance_labels) {
    return balanced(manifest, ratio.value_or(0.0));
  }
  const auto records = static_cast<std::int64_t>(manifest.records.size());
  std::vector<std::int64_t> all(manifest.records.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::int64_t>(i);
  }
  std::vector<std::int64_t> sources;
  append_spread(all, plan.count.value_or(times(records, ratio.value_or(1.0))), sources);
  return sources;
}

}  // namespace medaug
