// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/safetensors.h"

// One folder of golden data: case.json, tensors and the tolerances that decide. Not thread-safe.

namespace medaug::golden {

using Json = nlohmann::ordered_json;

/// A bound of case.json: |got - want| <= absolute + relative |want| element by element, or on the
/// relative root mean square of the whole tensor, or on the levels of 8-bit images: no level more
/// than `absolute` away, and no more than a share of them away at all.
struct Tolerance {
  std::string file_glob = "*";
  std::string tensor_pattern = ".*";
  std::regex tensor{".*"};
  bool known = true;  ///< false for a kind of bound that is none of these
  bool skip = false;
  double absolute = 0.0;
  double relative = 0.0;
  double relative_rms = -1.0;  ///< below 0: element by element
  double max_share = 1.0;      ///< of elements that differ
  bool real_tokens = false;    ///< only where the file's attention_mask (N, L) is not 0
};

/// Thrown by a case that cannot be recomputed here, for a reason that is no fault of the program.
struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One comparison.
struct Outcome {
  std::string file;
  std::string tensor;
  std::string rule = {};     ///< tensor pattern of the tolerance that decided
  double error = 0.0;        ///< largest |got - want|, or the relative rms
  double share = 0.0;        ///< of what is allowed; above 1 fails
  std::string trouble = {};  ///< why it failed when that is not the size of the error
  bool passed() const { return trouble.empty() && share <= 1.0; }
};

class CaseFolder {
 public:
  /// @throws Error kData when case.json is missing or is not one
  explicit CaseFolder(const std::filesystem::path& folder);

  const Json& json() const { return json_; }
  /// A bound that case.json states in a form of its own; the first that matches decides.
  void allow(const std::string& tensor_pattern, double absolute, double relative);
  const std::filesystem::path& folder() const { return folder_; }
  /// As case.json calls it; the folder's where it does not.
  std::string name() const;

  /// An input of the case. @throws Error kCheckpoint when the file or the tensor is missing
  at::Tensor input(const std::string& file, const std::string& tensor);
  /// A stored tensor, without calling it used.
  at::Tensor stored(const std::string& file, const std::string& tensor) {
    return open(file).at(tensor);
  }
  bool has(const std::string& file, const std::string& tensor);
  std::vector<std::string> tensors(const std::string& file);
  /// All tensors of a file, as inputs.
  std::map<std::string, at::Tensor> inputs(const std::string& file);
  /// A further JSON file of the folder, as input.
  Json read_json(const std::string& file) const;

  /// Compares with the stored tensor; one that is not stored is a failure.
  void compare(const std::string& file, const std::string& tensor, const at::Tensor& got);
  /// Compares where the case stores such a tensor.
  void compare_if_stored(const std::string& file, const std::string& tensor, const at::Tensor& got);
  /// Compares numbers of a JSON file, or of case.json itself, under a name of their own.
  void compare_numbers(const std::string& file, const std::string& what,
                       const std::vector<double>& got, const std::vector<double>& want);

  /// Compares two counts, exactly.
  void compare_counts(const std::string& file, const std::string& what, std::int64_t got,
                      std::int64_t want);
  /// A number that must not be above a bound.
  void compare_bound(const std::string& file, const std::string& what, double got, double bound);
  /// A failure that is no number.
  void fail(const std::string& file, const std::string& tensor, const std::string& why);
  /// Says that a stored tensor or table is not compared, and why; printed, not a failure.
  void leave_out(const std::string& file, const std::string& tensor, const std::string& why);
  const std::vector<std::string>& left_out() const { return left_out_; }

  /// What has been compared, then one failure for each stored tensor that was neither input nor
  /// compared nor is skipped by a rule, for each listed file that is missing or of another size,
  /// and when nothing was compared at all.
  std::vector<Outcome> finish();

 private:
  const SafetensorsFile& open(const std::string& file);
  const Tolerance* rule_for(const std::string& file, const std::string& tensor) const;
  void check_listed_files(std::vector<Outcome>& outcomes);
  void check_all_used(std::vector<Outcome>& outcomes);

  std::filesystem::path folder_;
  Json json_;
  std::vector<Tolerance> rules_;
  std::map<std::string, SafetensorsFile> files_;
  std::set<std::pair<std::string, std::string>> used_;
  std::vector<Outcome> outcomes_;
  std::vector<std::string> left_out_;
};

}  // namespace medaug::golden
