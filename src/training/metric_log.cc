// SPDX-License-Identifier: MIT
#include "training/metric_log.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

std::int64_t step_of(const std::string& line) {
  const auto json = Json::parse(line, nullptr, false);
  return json.is_object() && json.contains("step") ? json["step"].get<std::int64_t>() : INT64_MAX;
}

void keep_lines_up_to(const fs::path& path, std::int64_t step) {
  std::ifstream in(path);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    if (step_of(line) <= step) {
      kept.append(line).push_back('\n');
    }
  }
  write_file_atomically(path, kept);
}

}  // namespace

MetricLog::MetricLog(const fs::path& folder, std::int64_t resume_step) : folder_(folder) {
  fs::create_directories(folder_);
  const auto path = folder_ / "metrics.jsonl";
  const auto summary = folder_ / "training_log.json";
  if (resume_step >= 0 && fs::exists(path)) {
    keep_lines_up_to(path, resume_step);
    std::ifstream in(summary);
    const auto old = Json::parse(in, nullptr, false);
    if (old.is_object() && old.contains("validations")) {
      for (const auto& entry : old["validations"]) {
        if (entry.value("step", INT64_MAX) <= resume_step) {
          validations_.push_back(entry);
        }
      }
    }
  }
  lines_.open(path, resume_step >= 0 ? std::ios::app : std::ios::trunc);
  if (!lines_) {
    throw Error(ErrorCode::kResource, path.string(), "cannot be written",
                "is the disk full or the folder read-only?");
  }
}

void MetricLog::step(const Json& line) {
  lines_ << line.dump() << '\n';
  lines_.flush();
  if (!lines_) {
    log_warning("metrics.jsonl cannot be written; training goes on");
    lines_.clear();
  }
}

void MetricLog::validation(const Json& entry) { validations_.push_back(entry); }

void MetricLog::write_summary(const Json& summary) {
  auto out = summary;
  out["validations"] = validations_;
  write_file_atomically(folder_ / "training_log.json",
                        out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace medaug
