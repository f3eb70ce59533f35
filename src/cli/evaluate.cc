// SPDX-License-Identifier: MIT
#include "evaluation/evaluate.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/version.h"
#include "config/concat.h"
#include "evaluation/report.h"
#include "evaluation/report_csv.h"
#include "evaluation/requirements.h"
#include "evaluation/summary_text.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// One bar for each part of the evaluation.
class PartBars {
 public:
  explicit PartBars(bool quiet) : quiet_(quiet) {}

  void update(std::string_view part, std::int64_t done, std::int64_t total) {
    if (part != part_ || total != total_) {
      bar_.emplace(ProgressOptions{
          .label = std::string(part), .unit = "images", .total = total, .quiet = quiet_});
      part_ = part;
      total_ = total;
    }
    bar_->update(done);
  }

 private:
  bool quiet_;
  std::string part_;
  std::int64_t total_ = -1;
  std::optional<Progress> bar_;
};

Json provenance(const Globals& globals, const EvaluateCommand& options) {
  return {{"command", globals.line}, {"seed", options.evaluate.seed}, {"build", version_json()}};
}

std::vector<std::string> outputs(const EvaluateCommand& options) {
  std::vector<std::string> files;
  for (const auto& file : {options.output, options.report, options.csv, options.summary_csv}) {
    if (!file.empty()) {
      files.push_back(file);
    }
  }
  return files;
}

void write_files(const EvaluateCommand& options, const Json& found, Language language) {
  if (!options.output.empty()) {
    write_file_atomically(options.output, json_text(found));
  }
  if (!options.report.empty()) {
    const auto segmenter =
        options.evaluate.segmenter.empty()
            ? nullptr
            : std::make_unique<const Segmenter>(Segmenter::load(options.evaluate.segmenter));
    write_report(found, options.report, {.language = language, .segmenter = segmenter.get()});
  }
  if (!options.csv.empty()) {
    write_csv(found, options.csv);
  }
  if (!options.summary_csv.empty()) {
    write_summary_csv(found, options.summary_csv);
  }
}

std::string next_command(const EvaluateCommand& options) {
  if (options.report.empty()) {
    return "the same command with --report report.html makes a page of it";
  }
  return concat({"open ", shell_quoted(options.report), " in a browser"});
}

/// What is printed: all but the table of images.
Json without_images(Json found) {
  found.erase("images");
  return found;
}

}  // namespace

int run(const Globals& globals, const EvaluateCommand& options) {
  auto asked = options.evaluate;
  asked.rule = *enum_from_name<ColourRule>(options.rule);
  asked.fit = *enum_from_name<Fit>(options.fit);
  for (const auto& file : outputs(options)) {
    make_folders(fs::absolute(file).parent_path());
  }
  std::vector<Requirement> requirements;
  for (const auto& text : options.require) {
    requirements.push_back(parse_requirement(text));
  }
  PartBars bars(globals.quiet);
  auto found = evaluate(asked, [&](std::string_view part, std::int64_t done, std::int64_t total) {
    bars.update(part, done, total);
  });
  found["provenance"] = provenance(globals, options);
  Result result;
  result.json = without_images(found);
  const auto language = *enum_from_name<Language>(options.language);
  result.text = summary_text(found, language);
  write_files(options, found, language);
  const auto missed = missed_requirements(found, requirements);
  result.json["files"] = outputs(options);
  result.json["missed"] = missed;
  result.next = next_command(options);
  print_result(globals, result);
  if (missed.empty()) {
    return 0;
  }
  log(LogLevel::kError, concat({"--require: not reached: ", join(missed, "; ")}));
  return exit_status(ErrorCode::kQualityGate);
}

}  // namespace medaug::cli
