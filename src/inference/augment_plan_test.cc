// SPDX-License-Identifier: MIT
#include "inference/augment_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace medaug {
namespace {

using ::testing::ElementsAre;

Manifest manifest_of(const std::vector<std::int64_t>& labels) {
  Manifest manifest;
  manifest.path = "m.jsonl";
  for (const auto label : labels) {
    Record record;
    record.line = static_cast<std::int64_t>(manifest.records.size()) + 1;
    if (label >= 0) {
      record.label = label;
    }
    manifest.records.push_back(record);
  }
  return manifest;
}

TEST(PlannedSources, TakesEachRecordOnceByDefault) {
  EXPECT_THAT(planned_sources(manifest_of({0, 0, 0}), {}), ElementsAre(0, 1, 2));
}

TEST(PlannedSources, SpreadsFewerAndMoreImagesEvenly) {
  EXPECT_THAT(planned_sources(manifest_of({0, 0, 0, 0}), {.ratio = 0.5}), ElementsAre(0, 2));
  EXPECT_THAT(planned_sources(manifest_of({0, 0}), {.per_image = 2}), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(planned_sources(manifest_of({0, 0}), {.count = 3}), ElementsAre(0, 0, 1));
  EXPECT_TRUE(planned_sources(manifest_of({0, 0}), {.ratio = 0.0}).empty());
}

TEST(PlannedSources, BalanceFillsEveryLabelUpToTheMostFrequentOne) {
  const auto manifest = manifest_of({0, 0, 0, 0, 1, 2, 2});
  EXPECT_THAT(planned_sources(manifest, {.balance_labels = true}), ElementsAre(4, 4, 4, 5, 6));
  // With ratio 0.5 on top every label has 6.
  std::map<std::int64_t, int> count{{0, 4}, {1, 1}, {2, 2}};
  for (const auto i : planned_sources(manifest, {.ratio = 0.5, .balance_labels = true})) {
    ++count[*manifest.records[static_cast<std::size_t>(i)].label];
  }
  EXPECT_EQ(count, (std::map<std::int64_t, int>{{0, 6}, {1, 6}, {2, 6}}));
}

TEST(PlannedSources, RefusesContradictionsAndMissingLabels) {
  EXPECT_THROW(planned_sources(manifest_of({0}), {.ratio = 1.0, .count = 2}), Error);
  EXPECT_THROW(planned_sources(manifest_of({0}), {.count = 2, .balance_labels = true}), Error);
  try {
    planned_sources(manifest_of({0, -1}), {.balance_labels = true});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_EQ(e.where(), "m.jsonl:2");
  }
}

}  // namespace
}  // namespace medaug
