// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/program.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "image/image.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig =
    "data:\n  image_size: 32\n  channels: 3\n  mask_classes: 2\n  class_names: [bright, dark]\n"
    "  num_workers: 1\nmodel:\n  preset: tiny\n"
    "text:\n  vocabulary: 320\n  max_tokens: 32\n  dim: 64\n  layers: 1\n  heads: 2\n"
    "training:\n  batch_size: 16\n  num_epochs: 0\n  max_steps: 40\n  learning_rate: 1.0e-3\n"
    "  warmup_steps: 10\n  sample_count: 2\n  save_every: 20\n  validate_every_minutes: 0\n"
    "  sample_every_minutes: 0\n  save_every_minutes: 0\n";

class WorkFolder {
 public:
  WorkFolder() {
    auto name = (fs::temp_directory_path() / "medaug_smoke_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error(ErrorCode::kResource, name, "cannot be made", "set TMPDIR to a writable folder");
    }
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    if (!kept_) {
      fs::remove_all(path_, ignored);
    }
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

/// What a program writes to stdout and stderr while this lives.
class Captured {
 public:
  Captured()
      : out_before_(std::cout.rdbuf(text_.rdbuf())), err_before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~Captured() {
    std::cout.rdbuf(out_before_);
    std::cerr.rdbuf(err_before_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* out_before_;
  std::streambuf* err_before_;
};

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::kInternal, "", what, ""); }

void require(bool good, const std::string& what) {
  if (!good) {
    fail(what);
  }
}

/// One command line in this process. @throws Error with what it printed when it fails
void command(std::vector<std::string> words) {
  words.insert(words.begin(), "medaug");
  words.emplace_back("--quiet");
  std::vector<char*> argv;
  for (auto& word : words) {
    argv.push_back(word.data());
  }
  const auto level = log_level();
  int status = 0;
  std::string printed;
  {
    const Captured captured;
    status = run_program(static_cast<int>(argv.size()), argv.data());
    printed = captured.text();
  }
  set_log_level(level);
  require(status == 0,
          concat({"'", join(words, " "), "' ended with ", std::to_string(status), ": ", printed}));
}

/// The chain, step by step, in one folder.
class Chain {
 public:
  explicit Chain(fs::path folder) : folder_(std::move(folder)) {}

  std::string make_data() {
    command({"phantom", at("data"), "--count", "40", "--size", "32"});
    command({"check", "data", at("data/train.jsonl")});
    write_file_atomically(folder_ / "config.yaml", kConfig);
    return "40 pictures, manifests clean";
  }
  std::string train_first() {
    train("20", {});
    return "20 steps";
  }
  std::string resume() {
    train("40", {"--resume"});
    require(fs::is_directory(folder_ / "run/checkpoints/step-0000040"),
            "the resumed run has no checkpoint of step 40");
    return "20 more, from the checkpoint";
  }
  std::string check_checkpoint() {
    command({"check", "checkpoint", at("run")});
    return "hashes and finite weights";
  }
  std::string generate() {
    generate_to("generated");
    const auto made = read_manifest(folder_ / "generated/generated.jsonl");
    for (const auto& record : made.records) {
      const auto text = read_png_text(record.image_path);
      require(text.contains("seed") && text.contains("checkpoint_sha256") &&
                  text.contains("Disclaimer") && text.at("synthetic") == "true",
              concat({record.image_path.string(), ": its PNG text is not whole"}));
      require(record.mask_path.has_value(), "a made image has no mask");
    }
    require(fs::is_regular_file(folder_ / "generated/contact_sheet.png"), "no contact sheet");
    return concat({std::to_string(made.records.size()), " images with their text and masks"});
  }
  std::string generate_again() {
    generate_to("again");
    for (const auto& entry : fs::directory_iterator(folder_ / "generated/images")) {
      const auto other = folder_ / "again/images" / entry.path().filename();
      require(sha256_file(entry.path()) == sha256_file(other),
              concat({other.string(), " differs from the first one of the same seed"}));
    }
    return "same seed, same bytes";
  }
  std::string augment() {
    command({"augment", "--manifest", at("data/train.jsonl"), "--checkpoint", at("run"), "--output",
             at("augmented"), "--ratio", "0.5", "--mask-transform", "affine", "--originals", "copy",
             "--steps", "3"});
    const auto made = read_manifest(folder_ / "augmented/manifest.jsonl");
    const auto source = read_manifest(folder_ / "data/train.jsonl");
    require(made.records.size() == source.records.size() + (source.records.size() + 1) / 2,
            "the new manifest has the wrong length");
    return concat({std::to_string(made.records.size()), " records, originals among them"});
  }
  std::string check_new_data() {
    train("1", {"--set", concat({"data.train_data=", at("augmented/manifest.jsonl")}), "--output",
                at("run2")});
    return "a run trains on it";
  }

 private:
  std::string at(const char* name) const { return (folder_ / name).string(); }

  void train(const std::string& steps, const std::vector<std::string>& more) {
    std::vector<std::string> words{"train",
                                   "--config",
                                   at("config.yaml"),
                                   "--set",
                                   concat({"data.train_data=", at("data/train.jsonl")}),
                                   "--set",
                                   concat({"data.val_data=", at("data/val.jsonl")}),
                                   "--set",
                                   concat({"training.max_steps=", steps})};
    words.insert(words.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "--output") == more.end()) {
      words.insert(words.end(), {"--output", at("run")});
    }
    command(words);
  }
  void generate_to(const char* name) {
    command({"generate", "--manifest", at("data/val.jsonl"), "--checkpoint", at("run"), "--output",
             at(name), "--steps", "3", "--seed", "7"});
  }

  fs::path folder_;
};

using Step = std::pair<const char*, std::string (Chain::*)()>;

constexpr Step kSteps[] = {
    {"phantom", &Chain::make_data}, {"train", &Chain::train_first},
    {"resume", &Chain::resume},     {"check checkpoint", &Chain::check_checkpoint},
    {"generate", &Chain::generate}, {"generate again", &Chain::generate_again},
    {"augment", &Chain::augment},   {"train on it", &Chain::check_new_data},
};

}  // namespace

int run(const Globals& globals, const SmokeTestCommand& options) {
  using Clock = std::chrono::steady_clock;
  WorkFolder folder;
  Chain chain(folder.path());
  Report report;
  const auto begin = Clock::now();
  const auto seconds_since = [](Clock::time_point start) {
    return human_seconds(std::chrono::duration<double>(Clock::now() - start).count());
  };
  for (const auto& [name, step] : kSteps) {
    const auto start = Clock::now();
    try {
      const auto found = (chain.*step)();
      report.good(name, concat({seconds_since(start), ", ", found}));
    } catch (const std::exception& e) {
      report.bad(name, e.what(), "the steps behind it were not run");
      break;
    }
  }
  report.good("all", seconds_since(begin));
  if (options.keep) {
    folder.keep();
    report.good("kept", folder.path().string());
  }
  print_result(globals, report.result("medaug phantom data/phantom"));
  return report.has_bad() ? 1 : 0;
}

}  // namespace medaug::cli
