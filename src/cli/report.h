// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/globals.h"

namespace medaug::cli {

enum class Verdict { kGood, kNote, kBad };

/// What a `check` found, in order: a table for people, an object for machines. Checks never change
/// anything.
class Report {
 public:
  void add(Verdict verdict, std::string topic, std::string text, std::string advice = {});
  void good(std::string topic, std::string text) {
    add(Verdict::kGood, std::move(topic), std::move(text));
  }
  void note(std::string topic, std::string text, std::string advice = {}) {
    add(Verdict::kNote, std::move(topic), std::move(text), std::move(advice));
  }
  void bad(std::string topic, std::string text, std::string advice) {
    add(Verdict::kBad, std::move(topic), std::move(text), std::move(advice));
  }

  bool has_bad() const;
  /// Text and JSON of the findings; `json` is laid under them.
  Result result(std::string next, Json json = Json::object()) const;

 private:
  struct Finding {
    Verdict verdict;
    std::string topic;
    std::string text;
    std::string advice;
  };
  std::vector<Finding> findings_;
};

/// "12.3 M", "840 k", "97"
std::string human_count(std::int64_t count);
/// "10 %"
std::string human_share(double share);

}  // namespace medaug::cli
