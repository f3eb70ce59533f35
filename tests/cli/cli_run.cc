// SPDX-License-Identifier: MIT
#include "cli_run.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace medaug::test {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) {
    throw std::runtime_error(std::string(name) + " is not set; run through ctest");
  }
  return value;
}

/// Standard output and error go to the files `out` and `err` of `captured`.
[[noreturn]] void become(std::string program, const std::vector<std::string>& arguments,
                         const fs::path& folder, const fs::path& captured) {
  const int out_file = ::open((captured / "out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_file = ::open((captured / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int in_file = ::open("/dev/null", O_RDONLY);
  ::dup2(in_file, STDIN_FILENO);
  ::dup2(out_file, STDOUT_FILENO);
  ::dup2(err_file, STDERR_FILENO);
  std::vector<char*> argv{program.data()};
  auto copies = arguments;
  for (auto& argument : copies) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  if (::chdir(folder.c_str()) == 0) {
    ::execv(program.c_str(), argv.data());
  }
  ::_exit(127);
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  auto name = (fs::temp_directory_path() / "medaug_cli_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(const std::string& name, std::string_view text) const {
  fs::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << text;
  return path_ / name;
}

std::set<std::string> TemporaryFolder::listing() const {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    names.insert(fs::relative(entry.path(), path_).string());
  }
  return names;
}

fs::path program_file() { return fs::path(environment("MEDAUG_BINARY_DIR")) / "medaug"; }

CliOutcome run_medaug(const std::vector<std::string>& arguments, const fs::path& folder) {
  return run_program(program_file(), arguments, folder);
}

CliOutcome run_program(const fs::path& program, const std::vector<std::string>& arguments,
                       const fs::path& folder) {
  const TemporaryFolder captured;
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    become(program.string(), arguments, folder, captured.path());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_text(captured.path() / "out"), read_text(captured.path() / "err"),
          elapsed.count()};
}

fs::path source_folder() { return environment("MEDAUG_SOURCE_DIR"); }

std::string read_text(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace medaug::test
