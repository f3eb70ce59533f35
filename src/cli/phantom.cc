// SPDX-License-Identifier: MIT
#include "data/phantom.h"

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "cli/run.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

void refuse_foreign_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kUsage, folder.string(), "is a file, not a folder",
                "choose another folder");
  }
  const bool ours = fs::exists(folder / kPhantomMarker, ignored);
  if (fs::exists(folder, ignored) && !fs::is_empty(folder, ignored) && !ours) {
    throw Error(ErrorCode::kUsage, folder.string(), "is not empty and is no phantom set",
                "choose a new folder");
  }
}

}  // namespace

int run(const Globals& globals, const PhantomCommand& options) {
  auto phantom = options.phantom;
  phantom.kind = *enum_from_name<PhantomKind>(options.kind);
  refuse_foreign_folder(options.folder);
  const auto made = write_phantom(options.folder, phantom);
  Result result;
  result.text = concat({options.folder, ": ", std::to_string(made.train), " training, ",
                        std::to_string(made.val), " validation and ", std::to_string(made.test),
                        " test images with masks, captions and grades"});
  result.json = {{"folder", options.folder},
                 {"train", made.train},
                 {"val", made.val},
                 {"test", made.test},
                 {"class_names", made.class_names}};
  result.next = concat(
      {"medaug check data ", shell_quoted((fs::path(options.folder) / "train.jsonl").string())});
  print_result(globals, result);
  return 0;
}

}  // namespace medaug::cli
