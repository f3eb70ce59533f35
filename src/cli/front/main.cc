// SPDX-License-Identifier: MIT
// The program `medaug`: understands the command line without LibTorch (whose loading takes longer
// than the answer to --help), and starts `medaug-core` with what was understood.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cli/front/command_line.h"

namespace {

// Settings that libraries read when they are loaded, before main.
struct Setting {
  const char* name;
  const char* value;
};
constexpr Setting kSettings[] = {
    // By default libgomp's threads spin between two parallel loops, and on a machine where anything
    // else runs, each loop then waits for a thread that spins in vain: a hundred times slower.
    {"GOMP_SPINCOUNT", "3000"},
    // By default malloc gives every large tensor back to the kernel and takes fresh pages for the
    // next one, and a fresh page costs ten times a used one. One arena: those of threads other than
    // the first hold nothing large. Huge pages where the kernel lets a program ask for them.
    {"GLIBC_TUNABLES",
     "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=8589934592:"
     "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"},
};

std::string own_folder() {
  std::array<char, 4096> path{};
  const auto length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string file(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return file.substr(0, file.rfind('/') + 1);
}

// Beside this program in a build folder, in libexec/ where it is installed. Returns only when it
// failed.
void start_core(char** argv) {
  for (const auto& setting : kSettings) {
    setenv(setting.name, setting.value, 0);  // what the user chose stands
  }
  for (const char* place : {"medaug-core", "../libexec/medaug/medaug-core"}) {
    execv((own_folder() + place).c_str(), argv);
    if (errno != ENOENT) {
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  medaug::cli::Globals globals;
  int status = 0;
  if (medaug::cli::parse_command_line(argc, argv, globals, status) == medaug::cli::Parsed::kDone) {
    return status;
  }
  start_core(argv);
  const medaug::Error error(medaug::ErrorCode::kResource, own_folder() + "medaug-core",
                            std::string("cannot be started: ") + std::strerror(errno),
                            "build or install it again: it belongs beside this program");
  medaug::cli::print_error(globals, error);
  return medaug::exit_status(error.code());
}
