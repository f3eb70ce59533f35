// SPDX-License-Identifier: MIT
#include "training/run_data.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace medaug {
namespace {

/// `each` records for every one of `groups` patients.
Manifest patients(int groups, int each) {
  Manifest all;
  for (int i = 0; i < groups * each; ++i) {
    Record record;
    record.line = i + 1;
    record.group = "patient " + std::to_string(i / each);
    all.records.push_back(record);
  }
  return all;
}

std::set<std::string> groups_of(const Manifest& manifest) {
  std::set<std::string> groups;
  for (const auto& record : manifest.records) {
    groups.insert(record.group);
  }
  return groups;
}

TEST(SplitByGroup, KeepsPatientsWhole) {
  const auto [train, val] = split_by_group(patients(20, 3), 0.25, 1);
  EXPECT_EQ(val.records.size(), 15U);
  EXPECT_EQ(train.records.size(), 45U);
  for (const auto& group : groups_of(val)) {
    EXPECT_FALSE(groups_of(train).contains(group)) << group;
  }
}

TEST(SplitByGroup, HoldsOutSomethingOfFewPatientsButNeverAll) {
  EXPECT_EQ(groups_of(split_by_group(patients(5, 4), 0.1, 1).second).size(), 1U);
  EXPECT_EQ(groups_of(split_by_group(patients(2, 4), 0.9, 1).first).size(), 1U);
  EXPECT_TRUE(split_by_group(patients(1, 4), 0.5, 1).second.records.empty());
  EXPECT_TRUE(split_by_group(patients(5, 4), 0.0, 1).second.records.empty());
}

TEST(SplitByGroup, ChoosesByTheSeed) {
  const auto all = patients(50, 1);
  const auto chosen = [&](std::uint64_t seed) {
    return groups_of(split_by_group(all, 0.2, seed).second);
  };
  EXPECT_EQ(chosen(1), chosen(1));
  EXPECT_NE(chosen(1), chosen(2));
}

}  // namespace
}  // namespace medaug
