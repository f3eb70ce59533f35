// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace medaug::test {

struct CliOutcome {
  int status = 0;  ///< exit status, or 128 + signal
  std::string out;
  std::string err;
  double seconds = 0.0;
};

/// An empty folder that is removed in the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view text) const;
  /// Relative paths of everything in it.
  std::set<std::string> listing() const;

 private:
  std::filesystem::path path_;
};

/// The real program.
std::filesystem::path program_file();
/// Runs it in `folder`.
CliOutcome run_medaug(const std::vector<std::string>& arguments,
                      const std::filesystem::path& folder);
/// Runs another one.
CliOutcome run_program(const std::filesystem::path& program,
                       const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder);

std::filesystem::path source_folder();
std::string read_text(const std::filesystem::path& file);

}  // namespace medaug::test
