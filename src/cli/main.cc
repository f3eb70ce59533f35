// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <cstdlib>

#include "cli/program.h"

namespace {

// libgomp reads its settings when it is loaded, before main. By default its threads spin between
// two parallel loops, and on a machine where anything else runs, each loop then waits for a thread
// that spins in vain: a hundred times slower. So the program starts itself once more with a short
// spin, unless the user chose one.
void start_with_short_spin(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") == nullptr && std::getenv("OMP_WAIT_POLICY") == nullptr &&
      setenv("GOMP_SPINCOUNT", "1000", 1) == 0) {
    execv("/proc/self/exe", argv);  // returns only when it failed: then go on as we are
  }
}

}  // namespace

int main(int argc, char** argv) {
  start_with_short_spin(argv);
  return medaug::cli::run_program(argc, argv);
}
