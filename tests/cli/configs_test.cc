// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "cli_run.h"

namespace medaug::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

std::set<std::string> shipped_configs() {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_folder() / "configs")) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(Configs, AllThatArePromisedAreThere) {
  EXPECT_THAT(shipped_configs(), IsSupersetOf({"tiny.yaml", "isic2017_64.yaml", "brain_mri_64.yaml",
                                               "isic2017_128.yaml", "gpu_256.yaml", "gpu_512.yaml",
                                               "train_config.yaml", "train_config_fast.yaml",
                                               "inference_config.yaml"}));
}

TEST(Configs, EveryOneLoads) {
  const TemporaryFolder folder;
  for (const auto& name : shipped_configs()) {
    const auto file = (source_folder() / "configs" / name).string();
    const auto run = run_medaug({"check", "config", file, "--print"}, folder.path());
    EXPECT_EQ(run.status, 0) << name << ": " << run.err;
  }
  EXPECT_TRUE(folder.listing().empty());
}

TEST(Configs, EveryLineIsCommented) {
  for (const auto& name : shipped_configs()) {
    std::ifstream in(source_folder() / "configs" / name);
    for (std::string line; std::getline(in, line);) {
      const bool section = !line.empty() && line.back() == ':';
      EXPECT_TRUE(line.empty() || section || line.find('#') != std::string::npos)
          << name << ": " << line;
    }
  }
}

TEST(Configs, InferenceConfigIsTheOriginalSetting) {
  const TemporaryFolder folder;
  const auto file = (source_folder() / "configs/inference_config.yaml").string();
  const auto run = run_medaug({"check", "config", file}, folder.path());
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("euler, 50 steps, text guidance 7.5"));
}

}  // namespace
}  // namespace medaug::test
