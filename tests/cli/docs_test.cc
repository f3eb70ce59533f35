// SPDX-License-Identifier: MIT
// The reference pages are printed by the program; these tests say how to print them again.
#include <gtest/gtest.h>

#include "cli_run.h"

namespace medaug::test {
namespace {

std::string printed(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  return run_medaug(arguments, folder.path()).out;
}

std::string page(const char* name) { return read_text(source_folder() / "docs" / name); }

TEST(Docs, ConfigReferenceIsWhatTheProgramPrints) {
  EXPECT_TRUE(printed({"help", "config", "--markdown"}) == page("CONFIG.md"))
      << "run: medaug help config --markdown > docs/CONFIG.md";
}

TEST(Docs, CommandLineReferenceIsWhatTheProgramPrints) {
  EXPECT_TRUE(printed({"help", "cli"}) == page("CLI.md")) << "run: medaug help cli > docs/CLI.md";
}

TEST(Docs, ErrorTableIsWhatTheProgramPrints) {
  EXPECT_TRUE(printed({"help", "errors"}) == page("ERRORS.md"))
      << "run: medaug help errors > docs/ERRORS.md";
}

}  // namespace
}  // namespace medaug::test
