// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

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

// One step each; the large one narrower than it is (2304, 32 heads, 24 layers), all else as it
// stands.
TEST(Configs, TheOriginalsStart) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_medaug({"phantom", "data", "--count", "8", "--size", "64", "--kind", "scan"},
                       folder.path())
                .status,
            0);
  for (const auto& [name, narrower] : std::map<std::string, std::vector<std::string>>{
           {"train_config_fast.yaml", {}},
           {"train_config.yaml", {"model.dim=192", "model.heads=4", "model.layers=2"}}}) {
    std::vector<std::string> arguments{
        "train", "--config", (source_folder() / "configs" / name).string(), "--output", "run"};
    auto settings = narrower;
    settings.insert(settings.end(), {"training.max_steps=1", "training.batch_size=2",
                                     "training.sample_count=1", "sampling.steps=2"});
    for (const auto& setting : settings) {
      arguments.insert(arguments.end(), {"--set", setting});
    }
    const auto run = run_medaug(arguments, folder.path());
    EXPECT_EQ(run.status, 0) << name << ": " << run.err;
    EXPECT_TRUE(fs::exists(folder.path() / "run/checkpoints/best_model.safetensors")) << name;
    fs::remove_all(folder.path() / "run");
  }
}

TEST(Configs, TheOriginalsNetworkIsItsSize) {
  const TemporaryFolder folder;
  const auto file = (source_folder() / "configs/train_config.yaml").string();
  const auto run = run_medaug({"check", "config", file}, folder.path());
  EXPECT_THAT(run.out, HasSubstr("width 2304, 24 layers, 32 heads"));
  EXPECT_THAT(run.out, HasSubstr("1024 x 1024 pixels"));
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
