// SPDX-License-Identifier: MIT
// docs/architecture.md, CMakeLists.txt and the tree tell the same folders in the same order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "base/files.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

fs::path source_folder() {
  const char* folder = std::getenv("MEDAUG_SOURCE_DIR");
  return folder == nullptr ? fs::path(".") : fs::path(folder);
}

std::string text_of(const fs::path& path) {
  return read_file(source_folder() / path, 1'000'000, ErrorCode::kData);
}

/// The first group of each match, in order.
Names matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  Names found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.push_back((*it)[1].str());
  }
  return found;
}

Names documented() { return matches(text_of("docs/architecture.md"), R"(\| `([a-z]+)/` \|)"); }

TEST(Architecture, TableHasTheOrderOfTheBuild) {
  EXPECT_EQ(documented(),
            matches(text_of("CMakeLists.txt"), R"(add_subdirectory\(src/([a-z]+)\))"));
}

TEST(Architecture, TableHasEveryFolder) {
  Names folders;
  for (const auto& entry : fs::directory_iterator(source_folder() / "src")) {
    folders.push_back(entry.path().filename().string());
  }
  Names listed = documented();
  std::sort(folders.begin(), folders.end());
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, folders);
}

TEST(Architecture, FoldersUseOnlyFoldersAbove) {
  const Names order = documented();
  const auto place = [&](const std::string& name) {
    return std::find(order.begin(), order.end(), name) - order.begin();
  };
  for (const auto& folder : order) {
    const fs::path source = source_folder() / "src" / folder;
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      const auto extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") {
        continue;
      }
      for (const auto& used : matches(read_file(entry.path(), 1'000'000, ErrorCode::kData),
                                      R"(#include "([a-z]+)/)")) {
        const bool ours = place(used) < static_cast<std::ptrdiff_t>(order.size());
        EXPECT_TRUE(!ours || place(used) <= place(folder)) << entry.path() << " uses " << used;
      }
    }
  }
}

}  // namespace
}  // namespace medaug
