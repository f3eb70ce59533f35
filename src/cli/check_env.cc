// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "base/strings.h"
#include "cli/machine.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/version.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

constexpr double kEnoughMemory = 2e9;
constexpr double kEnoughDisk = 2e9;

bool has(const Machine& machine, const char* feature) {
  const auto& all = machine.cpu_features;
  return std::find(all.begin(), all.end(), feature) != all.end();
}

void report_cpu(const Machine& machine, Report& report) {
  report.good("CPU", concat({machine.cpu_name, ", ", std::to_string(machine.cores),
                             " cores for this process"}));
  if (has(machine, "amx_bf16") || has(machine, "avx512_bf16")) {
    report.good("CPU features",
                concat({join(machine.cpu_features, " "), " (bfloat16 is fast here)"}));
  } else if (has(machine, "avx2") || has(machine, "asimd")) {
    report.note("CPU features", join(machine.cpu_features, " "),
                "no bfloat16 in hardware: training.use_amp=false is faster on this CPU");
  } else {
    report.note("CPU features", join(machine.cpu_features, " "),
                "no AVX2: everything runs, slowly");
  }
}

void report_gpu(const Machine& machine, Report& report) {
  if (machine.gpus > 0) {
    report.good("GPU",
                concat({std::to_string(machine.gpus), " usable: ", join(machine.gpu_names, ", ")}));
  } else if (!machine.gpu_names.empty()) {
    report.note("GPU", concat({join(machine.gpu_names, ", "), ", but this LibTorch cannot use it"}),
                machine.torch_has_cuda
                    ? "the driver may be too old for this LibTorch"
                    : "build against a CUDA LibTorch: make LIBTORCH=/path/to/torch");
  } else {
    report.note("GPU", "none; configs up to 128 pixels train on the CPU in minutes");
  }
}

void report_room(const Machine& machine, Report& report) {
  const auto memory = static_cast<double>(machine.available_bytes);
  const auto text = concat(
      {human_bytes(memory), " free of ", human_bytes(static_cast<double>(machine.memory_bytes))});
  if (memory < kEnoughMemory) {
    report.note("memory", text, "close other programs, or lower training.batch_size");
  } else {
    report.good("memory", text);
  }
  const auto disk = static_cast<double>(free_bytes(std::filesystem::current_path()));
  if (disk < kEnoughDisk) {
    report.note("disk", concat({human_bytes(disk), " free here"}),
                "a run keeps several checkpoints; see 'medaug check config'");
  } else {
    report.good("disk", concat({human_bytes(disk), " free here"}));
  }
}

}  // namespace

int run(const Globals& globals, const CheckEnvCommand&) {
  const auto machine = look_at_machine();
  const auto version = version_json();
  Report report;
  report.good("medaug", concat({version["version"].get<std::string>(), ", commit ",
                                version["commit"].get<std::string>(), ", ",
                                version["compiler"].get<std::string>()}));
  report.good("LibTorch", concat({version["libtorch"].get<std::string>(), ", kernels ",
                                  machine.torch_kernels}));
  report_cpu(machine, report);
  report_gpu(machine, report);
  report_room(machine, report);
  print_result(globals, report.result("medaug smoke-test", version));
  return 0;
}

}  // namespace medaug::cli
