// SPDX-License-Identifier: MIT
#include "cli/report.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace medaug::cli {
namespace {

constexpr std::size_t kTopicWidth = 22;

std::string mark_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood:
      return "ok   ";
    case Verdict::kNote:
      return "note ";
    case Verdict::kBad:
      break;
  }
  return "BAD  ";
}

std::string name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood:
      return "ok";
    case Verdict::kNote:
      return "note";
    case Verdict::kBad:
      break;
  }
  return "bad";
}

}  // namespace

void Report::add(Verdict verdict, std::string topic, std::string text, std::string advice) {
  findings_.push_back({verdict, std::move(topic), std::move(text), std::move(advice)});
}

std::string human_count(std::int64_t count) {
  const auto value = static_cast<double>(count);
  std::ostringstream out;
  out.precision(3);
  if (count >= 1'000'000'000) {
    out << value / 1e9 << " G";
  } else if (count >= 1'000'000) {
    out << value / 1e6 << " M";
  } else if (count >= 10'000) {
    out << value / 1e3 << " k";
  } else {
    out << count;
  }
  return out.str();
}

std::string human_share(double share) {
  std::ostringstream out;
  out.precision(3);
  out << 100.0 * share << " %";
  return out.str();
}

bool Report::has_bad() const {
  return std::any_of(findings_.begin(), findings_.end(),
                     [](const Finding& f) { return f.verdict == Verdict::kBad; });
}

Result Report::result(std::string next, Json json) const {
  Result out{.text = {}, .json = std::move(json), .next = std::move(next)};
  auto& list = out.json["findings"] = Json::array();
  for (const auto& finding : findings_) {
    auto topic = finding.topic;
    topic.resize(std::max(topic.size() + 1, kTopicWidth), ' ');
    out.text.append(mark_of(finding.verdict)).append(topic).append(finding.text).append("\n");
    if (!finding.advice.empty()) {
      out.text.append("       -> ").append(finding.advice).append("\n");
    }
    list.push_back({{"verdict", name_of(finding.verdict)},
                    {"topic", finding.topic},
                    {"text", finding.text},
                    {"advice", finding.advice}});
  }
  out.json["ok"] = !has_bad();
  return out;
}

}  // namespace medaug::cli
