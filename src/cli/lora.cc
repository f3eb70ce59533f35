// SPDX-License-Identifier: MIT
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/model_file.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

std::vector<AdapterChoice> choices_of(const LoraMergeCommand& options) {
  const auto& scales = options.scales;
  if (scales.size() > 1 && scales.size() != options.adapters.size()) {
    throw Error(ErrorCode::kUsage, "--scale",
                concat({std::to_string(scales.size()), " strengths for ",
                        std::to_string(options.adapters.size()), " adapters"}),
                "give one for all or one for each");
  }
  std::vector<AdapterChoice> choices;
  for (std::size_t i = 0; i < options.adapters.size(); ++i) {
    const double scale = scales.empty() ? 1.0 : scales[scales.size() == 1 ? 0 : i];
    choices.push_back({find_inference_file(options.adapters[i]), scale});
  }
  return choices;
}

}  // namespace

int run(const Globals& globals, const LoraMergeCommand& options) {
  const fs::path output = options.output;
  std::error_code ignored;
  if (fs::exists(output, ignored)) {
    throw Error(ErrorCode::kUsage, printable(options.output), "exists already",
                "choose a new file with --output, or remove this one");
  }
  const auto base = find_inference_file(options.base);
  const auto choices = choices_of(options);
  const auto weights = read_model_weights(base, choices);
  check_weights(weights, base);
  auto info = weights.info;
  info.training["merged_from"] = weights.sha256;
  write_model_file(output, info, {weights.tensors.begin(), weights.tensors.end()});
  Result result;
  result.text =
      concat({printable(options.output), ": ", base.string(), " with ",
              std::to_string(choices.size()), choices.size() == 1 ? " adapter" : " adapters"});
  result.json = {{"model", options.output}, {"adapters", choices.size()}};
  result.next = concat({"medaug generate --checkpoint ", shell_quoted(options.output),
                        " --caption TEXT --output DIR"});
  print_result(globals, result);
  return 0;
}

}  // namespace medaug::cli
