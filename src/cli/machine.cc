// SPDX-License-Identifier: MIT
#include "cli/machine.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// The value of the first line "key<spaces>: value" of a /proc file.
std::string proc_value(const char* file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) {
      const auto start = line.find_first_not_of(" \t", line.find(':') + 1);
      return start == std::string::npos ? "" : line.substr(start);
    }
  }
  return {};
}

std::vector<std::string> cpu_features() {
  constexpr std::string_view kWanted[] = {"avx2",        "fma",      "avx512f",  "avx512_bf16",
                                          "avx512_vnni", "amx_bf16", "amx_int8", "asimd",
                                          "bf16",        "sve"};
  auto flags = proc_value("/proc/cpuinfo", "flags");
  if (flags.empty()) {
    flags = proc_value("/proc/cpuinfo", "Features");
  }
  std::istringstream words(flags);
  std::vector<std::string> found;
  for (std::string word; words >> word;) {
    if (std::find(std::begin(kWanted), std::end(kWanted), word) != std::end(kWanted)) {
      found.push_back(word);
    }
  }
  return found;
}

std::optional<std::int64_t> number_in(const char* file) {
  std::ifstream in(file);
  std::int64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  double quota = 0.0;
  double period = 0.0;
  if (quota_file >> quota >> period && period > 0.0) {
    cores = std::min(cores, std::max(1, static_cast<int>(quota / period + 0.5)));
  }
  return cores;
}

std::int64_t meminfo_bytes(std::string_view key) {
  const auto text = proc_value("/proc/meminfo", key);
  return text.empty() ? 0 : std::stoll(text) * 1024;
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc/driver/nvidia/gpus", ignored)) {
    names.push_back(proc_value((entry.path() / "information").c_str(), "Model"));
  }
  return names;
}

}  // namespace

Machine look_at_machine() {
  Machine machine;
  machine.cpu_name = proc_value("/proc/cpuinfo", "model name");
  machine.cpu_features = cpu_features();
  machine.cores = usable_cores();
  machine.memory_bytes = meminfo_bytes("MemTotal");
  machine.available_bytes = meminfo_bytes("MemAvailable");
  if (const auto limit = number_in("/sys/fs/cgroup/memory.max")) {
    const auto used = number_in("/sys/fs/cgroup/memory.current").value_or(0);
    machine.memory_bytes = std::min(machine.memory_bytes, *limit);
    machine.available_bytes = std::min(machine.available_bytes, *limit - used);
  }
  machine.torch_has_cuda = MEDAUG_TORCH_CUDA;
  machine.torch_kernels = at::get_cpu_capability();
  machine.gpus =
      at::detail::getCUDAHooks().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  machine.gpu_names = gpu_names();
  return machine;
}

}  // namespace medaug::cli
