// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/fields.h"
#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

CliOutcome run(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const auto outcome = run_medaug(arguments, folder.path());
  EXPECT_TRUE(folder.listing().empty());
  return outcome;
}

TEST(Usage, SuggestsTheNearestVerb) {
  const auto outcome = run({"chekc", "env"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unknown verb 'chekc' (did you mean 'check'?)"));
  EXPECT_THAT(run({"check", "confg"}).err,
              HasSubstr("unknown verb 'confg' (did you mean 'config'?)"));
}

TEST(Usage, SuggestsTheNearestOption) {
  const auto outcome = run({"check", "env", "--jsn"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unknown option '--jsn' (did you mean '--json'?)"));
  EXPECT_THAT(run({"phantom", "p", "--cuont", "5"}).err, HasSubstr("did you mean '--count'?"));
}

TEST(Usage, SaysWhatIsMissing) {
  EXPECT_THAT(run({}).err, AllOf(HasSubstr("a verb is missing"), HasSubstr("phantom")));
  EXPECT_EQ(run({"check"}).status, 2);
  EXPECT_EQ(run({"check", "config"}).status, 2);
  EXPECT_EQ(run({"phantom", "p", "--count", "many"}).status, 2);
}

TEST(Usage, HelpAndVersionGoToStdout) {
  const auto help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("check"));
  EXPECT_EQ(run({"check", "config", "--help"}).status, 0);
  const auto version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, AllOf(StartsWith("medaug "), HasSubstr("commit"), HasSubstr("LibTorch"),
                                 HasSubstr("CPU")));
}

TEST(Usage, HelpAndWrongCommandLinesNeedNoCore) {
  const TemporaryFolder folder;
  const auto alone = folder.path() / "medaug";
  fs::copy_file(program_file(), alone);
  EXPECT_EQ(run_program(alone, {"train", "--help"}, folder.path()).status, 0);
  EXPECT_EQ(run_program(alone, {"train", "--confg"}, folder.path()).status, 2);
  const auto verb = run_program(alone, {"check", "env", "--json"}, folder.path());
  EXPECT_EQ(verb.status, 6);
  EXPECT_THAT(verb.err, HasSubstr("medaug-core: cannot be started"));
  EXPECT_EQ(Json::parse(verb.out)["error"]["code"], "resource");
}

TEST(Usage, JsonIsOneObjectAlsoForErrors) {
  const auto env = Json::parse(run({"check", "env", "--json"}).out);
  EXPECT_TRUE(env["ok"].get<bool>());
  const auto outcome = run({"--json", "check", "config", "none.yaml"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(Json::parse(outcome.out)["error"]["code"], "config");
}

TEST(Usage, EveryCheckEndsWithTheNextCommand) {
  EXPECT_THAT(run({"check", "env"}).out, HasSubstr("\nnext: medaug "));
  EXPECT_THAT(run({"check", "env", "--quiet"}).out, Not(HasSubstr("next:")));
}

TEST(Help, ExplainsOneKeyAndSuggestsNearOnes) {
  EXPECT_THAT(run({"help", "config", "training.batch_size"}).out,
              AllOf(HasSubstr("integer 1..65536"), HasSubstr("also written as: data.batch_size")));
  const auto outcome = run({"help", "config", "training.batchsize"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'training.batch_size'?"));
}

TEST(Completion, PrintsAScriptForEachShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const auto outcome = run({"completion", shell});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("phantom")) << shell;
  }
  EXPECT_EQ(run({"completion", "tcsh"}).status, 2);
}

TEST(Phantom, WritesASetAndRefusesAForeignFolder) {
  const TemporaryFolder folder;
  const auto made = run_medaug({"phantom", "p", "--count", "8", "--size", "32"}, folder.path());
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("next: medaug check data p/train.jsonl"));
  EXPECT_TRUE(folder.listing().contains("p/train.jsonl"));
  folder.write("other/notes.txt", "mine");
  EXPECT_EQ(run_medaug({"phantom", "other"}, folder.path()).status, 2);
  EXPECT_FALSE(folder.listing().contains("other/train.jsonl"));
}

}  // namespace
}  // namespace medaug::test
