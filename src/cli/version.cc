// SPDX-License-Identifier: MIT
#include "cli/version.h"

#include "base/strings.h"
#include "cli/machine.h"
#include "config/concat.h"
#include "medaug_commit.h"

namespace medaug::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return concat({"Clang ", __clang_version__});
#else
  return concat({"GCC ", __VERSION__});
#endif
}

}  // namespace

Json version_json() {
  const auto machine = look_at_machine();
  return {{"version", MEDAUG_VERSION},        {"commit", MEDAUG_COMMIT},
          {"compiler", compiler()},           {"build_type", MEDAUG_BUILD_TYPE},
          {"libtorch", MEDAUG_TORCH_VERSION}, {"cuda", machine.torch_has_cuda},
          {"cpu", machine.cpu_name},          {"cpu_features", machine.cpu_features},
          {"kernels", machine.torch_kernels}};
}

std::string version_text() {
  const auto machine = look_at_machine();
  return concat({"medaug ",
                 MEDAUG_VERSION,
                 " (commit ",
                 MEDAUG_COMMIT,
                 ")\n",
                 "compiler: ",
                 compiler(),
                 ", ",
                 MEDAUG_BUILD_TYPE,
                 "\n",
                 "LibTorch: ",
                 MEDAUG_TORCH_VERSION,
                 ", CUDA ",
                 machine.torch_has_cuda ? "yes" : "no",
                 ", kernels ",
                 machine.torch_kernels,
                 "\n",
                 "CPU: ",
                 machine.cpu_name,
                 "; ",
                 join(machine.cpu_features, " ")});
}

}  // namespace medaug::cli
