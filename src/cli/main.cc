// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <cstdlib>

#include "cli/program.h"

namespace {

// Settings that libraries read when they are loaded, before main.
struct Setting {
  const char* name;
  const char* value;
};
constexpr Setting kSettings[] = {
    // By default libgomp's threads spin between two parallel loops, and on a machine where anything
    // else runs, each loop then waits for a thread that spins in vain: a hundred times slower.
    {"GOMP_SPINCOUNT", "1000"},
    // By default malloc gives every large tensor back to the kernel and takes fresh pages for the
    // next one, and a fresh page costs ten times a used one.
    {"GLIBC_TUNABLES",
     "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=8589934592"},
};

// Starts the program once more with those settings that the user did not choose.
void start_with_settings(char** argv) {
  bool changed = false;
  for (const auto& setting : kSettings) {
    if (std::getenv(setting.name) == nullptr) {
      changed = setenv(setting.name, setting.value, 0) == 0 || changed;
    }
  }
  if (changed) {
    execv("/proc/self/exe", argv);  // returns only when it failed: then go on as we are
  }
}

}  // namespace

int main(int argc, char** argv) {
  start_with_settings(argv);
  return medaug::cli::run_program(argc, argv);
}
