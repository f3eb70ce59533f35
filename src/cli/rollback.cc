// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"
#include "cli/run.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// The step before the one that `pointer` names.
std::int64_t step_before(const RunPaths& run, const std::string& pointer) {
  const auto now = pointed_step(run, pointer);
  std::optional<std::int64_t> before;
  for (const auto& checkpoint : list_checkpoints(run)) {
    if (!now || step_name(checkpoint.step) < *now) {
      before = std::max(before.value_or(checkpoint.step), checkpoint.step);
    }
  }
  if (!before) {
    throw Error(ErrorCode::kCheckpoint, printable(run.checkpoints.string()),
                concat({"there is no checkpoint before ", now.value_or("the present one")}),
                "'medaug rollback RUN --list' shows all of them");
  }
  return *before;
}

void require_run(const RunPaths& run) {
  std::error_code ignored;
  if (!fs::is_directory(run.checkpoints, ignored)) {
    throw Error(ErrorCode::kCheckpoint, printable(run.run.string()),
                "is not a run folder: it has no checkpoints/",
                "give the folder that 'medaug train --output' wrote");
  }
}

int list_steps(const Globals& globals, const RunPaths& run) {
  Result result;
  auto& list = result.json["checkpoints"] = Json::array();
  const auto latest = pointed_step(run, "latest");
  const auto best = pointed_step(run, "best");
  for (const auto& checkpoint : list_checkpoints(run)) {
    const auto name = step_name(checkpoint.step);
    result.text +=
        concat({name, name == latest ? "  latest" : "", name == best ? "  best" : "", "\n"});
    list.push_back({{"step", checkpoint.step}, {"latest", name == latest}, {"best", name == best}});
  }
  result.next = concat({"medaug rollback ", shell_quoted(run.run.string()), " --step N"});
  print_result(globals, result);
  return 0;
}

}  // namespace

int run(const Globals& globals, const RollbackCommand& options) {
  const RunPaths run(options.run);
  require_run(run);
  if (options.list) {
    return list_steps(globals, run);
  }
  const auto which = options.pointer == "best" ? Pointer::kBest : Pointer::kLatest;
  const auto before = pointed_step(run, options.pointer).value_or("none");
  const FolderLock lock(run.run);
  const auto now =
      rollback(run, which, options.step ? *options.step : step_before(run, options.pointer));
  const auto name = step_name(now.step);
  Result result;
  result.text = concat({options.pointer, " was ", before, ", is ", name, "; nothing was deleted"});
  result.json = {{"pointer", options.pointer}, {"before", before}, {"now", name}};
  result.next = which == Pointer::kLatest
                    ? concat({"medaug train --config ", shell_quoted(run.config.string()),
                              " --resume ", shell_quoted(options.run)})
                    : concat({"medaug check checkpoint ", shell_quoted(options.run)});
  print_result(globals, result);
  return 0;
}

}  // namespace medaug::cli
