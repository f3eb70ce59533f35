// SPDX-License-Identifier: MIT
// golden_runner [--verbose] CASE_DIR...: recomputes golden data and compares within the tolerances
// of each case.json. Exit status: 0 all within tolerance or skipped, 1 beyond it or incomplete, 2
// unknown or unreadable case, or wrong usage.

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "case_folder.h"
#include "cases.h"

namespace medaug::golden {
namespace {

constexpr int kPassed = 0;
constexpr int kBeyondTolerance = 1;
constexpr int kUnusable = 2;

using CaseFunction = std::function<void(CaseFolder&)>;

const std::map<std::string, CaseFunction>& known_cases() {
  static const std::map<std::string, CaseFunction> cases{
      {"adamw", run_adamw},
#ifdef MEDAUG_HAS_EVALUATION
      {"efficientnet_lite0", run_efficientnet_lite0},
      {"metrics", run_metrics},
      {"resnet", run_resnet},
      {"tokenizer", run_tokenizer},
#endif
      {"gemma_tiny", run_gemma_tiny},
      {"nextdit_diffusers", run_nextdit_diffusers},
      {"nextdit_lumina", run_nextdit_lumina},
      {"nextdit_retina", run_nextdit_retina},
      {"sampler_dpm", run_sampler_dpm},
      {"transport", run_transport},
      {"vae_tiny", run_vae_tiny},
  };
  return cases;
}

void print_header() {
  std::printf("  %-28s %-34s %7s %11s %9s  %s\n", "file", "tensors", "count", "error", "allowed",
              "worst");
}

struct Group {
  int count = 0;
  const Outcome* worst = nullptr;
};

void print_groups(const std::vector<Outcome>& outcomes) {
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const auto& out : outcomes) {
    if (out.trouble.empty()) {
      auto& group = groups[{out.file, out.rule}];
      ++group.count;
      const bool worse = group.worst == nullptr || out.share > group.worst->share;
      group.worst = worse ? &out : group.worst;
    }
  }
  print_header();
  for (const auto& [key, group] : groups) {
    std::printf("  %-28s %-34s %7d %11.3g %8.2f%%  %s\n", key.first.c_str(), key.second.c_str(),
                group.count, group.worst->error, 100.0 * group.worst->share,
                group.worst->tensor.c_str());
  }
}

void print_each(const std::vector<Outcome>& outcomes) {
  for (const auto& out : outcomes) {
    if (out.trouble.empty()) {
      std::printf("    %-28s %-52s %11.3g %8.2f%%\n", out.file.c_str(), out.tensor.c_str(),
                  out.error, 100.0 * out.share);
    }
  }
}

std::size_t print_failures(const std::vector<Outcome>& outcomes) {
  std::size_t failures = 0;
  for (const auto& out : outcomes) {
    if (!out.passed()) {
      ++failures;
      const auto why = out.trouble.empty() ? "beyond tolerance" : out.trouble;
      std::printf("  FAILED %s %s: %s\n", out.file.c_str(), out.tensor.c_str(), why.c_str());
    }
  }
  return failures;
}

int report(CaseFolder& folder, const std::string& stopped_by, bool verbose) {
  const auto outcomes = folder.finish();
  print_groups(outcomes);
  if (verbose) {
    print_each(outcomes);
  }
  for (const auto& line : folder.left_out()) {
    std::printf("  left out: %s\n", line.c_str());
  }
  const auto failures = print_failures(outcomes);
  if (!stopped_by.empty()) {
    std::printf("  FAILED stopped: %s\n", stopped_by.c_str());
  }
  const bool passed = failures == 0 && stopped_by.empty();
  std::printf("%s: %s, %zu compared, %zu failed\n", folder.name().c_str(),
              passed ? "passed" : "FAILED", outcomes.size(), failures);
  return passed ? kPassed : kBeyondTolerance;
}

int run_case(const std::string& path, bool verbose) {
  try {
    CaseFolder folder(path);
    std::printf("%s (%s)\n", folder.name().c_str(), path.c_str());
    const auto found = known_cases().find(folder.name());
    if (found == known_cases().end()) {
      std::fprintf(stderr, "%s: unknown case '%s'\n", path.c_str(), folder.name().c_str());
      return kUnusable;
    }
    std::string stopped_by;
    try {
      found->second(folder);
    } catch (const Skipped& e) {
      std::printf("%s: skipped: %s\n", folder.name().c_str(), e.what());
      return kPassed;
    } catch (const c10::Error& e) {
      stopped_by = e.what_without_backtrace();
    } catch (const std::exception& e) {
      stopped_by = e.what();
    }
    return report(folder, stopped_by, verbose);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), e.what());
    return kUnusable;
  }
}

int run(std::vector<std::string> arguments) {
  const auto verbose = std::erase(arguments, "--verbose") > 0;
  const bool unknown_option = std::any_of(arguments.begin(), arguments.end(),
                                          [](const auto& a) { return a.starts_with("-"); });
  if (arguments.empty() || unknown_option) {
    std::fprintf(stderr, "usage: golden_runner [--verbose] CASE_DIR...\n");
    return kUnusable;
  }
  at::set_num_threads(1);  // as the golden data was made
  int status = kPassed;
  for (const auto& path : arguments) {
    status = std::max(status, run_case(path, verbose));
  }
  return status;
}

}  // namespace
}  // namespace medaug::golden

int main(int argc, char** argv) {
  return medaug::golden::run(std::vector<std::string>(argv + 1, argv + argc));
}
