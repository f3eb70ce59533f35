// SPDX-License-Identifier: MIT
#include "case_folder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fnmatch.h>

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace medaug::golden {
namespace {

constexpr std::int64_t kMostJsonBytes = 64 << 20;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tolerance tolerance_from(const Json& rule) {
  Tolerance t;
  t.file_glob = rule.value("file", t.file_glob);
  t.tensor_pattern = rule.value("tensor", t.tensor_pattern);
  t.tensor = std::regex(t.tensor_pattern);
  t.skip = rule.value("skip", false);
  t.absolute = rule.value("atol", rule.value("max_levels", 0.0));
  t.relative = rule.value("rtol", 0.0);
  t.relative_rms = rule.value("relative_rms", -1.0);
  t.max_share = rule.value("max_share", 1.0);
  const auto on = rule.value("on", std::string());
  t.real_tokens = on == "real tokens";
  const bool bounded = rule.contains("max_levels") || t.relative_rms >= 0.0 ||
                       rule.contains("atol") || rule.contains("rtol");
  t.known = t.skip || (bounded && (on.empty() || t.real_tokens));
  return t;
}

std::string shape_text(const at::Tensor& t) {
  std::string text = "[";
  for (const auto size : t.sizes()) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

// Fills error and share. Two NaN are equal; NaN against a number is infinitely wrong.
void measure(const at::Tensor& got, const at::Tensor& want, const Tolerance& rule, Outcome& out) {
  const auto g = got.to(at::kCPU, at::kDouble).contiguous();
  const auto w = want.to(at::kDouble).contiguous();
  const auto* gp = g.const_data_ptr<double>();
  const auto* wp = w.const_data_ptr<double>();
  double square_error = 0.0;
  double square_want = 0.0;
  std::int64_t differ = 0;
  for (std::int64_t i = 0; i < w.numel(); ++i) {
    if (gp[i] == wp[i] || (std::isnan(gp[i]) && std::isnan(wp[i]))) {
      square_want += std::isfinite(wp[i]) ? wp[i] * wp[i] : 0.0;
      continue;
    }
    ++differ;
    const double error = std::abs(gp[i] - wp[i]);
    const double allowed = rule.absolute + rule.relative * std::abs(wp[i]);
    const double share = allowed > 0.0 ? error / allowed : kInfinity;
    out.error = std::isnan(error) ? kInfinity : std::max(out.error, error);
    out.share = std::isnan(share) ? kInfinity : std::max(out.share, share);
    square_error += error * error;
    square_want += wp[i] * wp[i];
  }
  if (rule.max_share < 1.0 && differ > 0) {
    const auto share = static_cast<double>(differ) / static_cast<double>(w.numel());
    out.share = std::max(out.share, rule.max_share > 0.0 ? share / rule.max_share : kInfinity);
  }
  if (rule.relative_rms >= 0.0) {
    const double rms = square_error == 0.0 ? 0.0 : std::sqrt(square_error / square_want);
    out.error = std::isnan(rms) ? kInfinity : rms;
    out.share = rule.relative_rms > 0.0 || rms == 0.0
                    ? out.error / std::max(rule.relative_rms, 1e-300)
                    : kInfinity;
  }
}

bool is_tensor_file(const std::string& name) { return name.ends_with(".safetensors"); }

}  // namespace

CaseFolder::CaseFolder(const std::filesystem::path& folder) : folder_(folder) {
  json_ = read_json("case.json");
  try {
    name();
    const auto& tolerance = json_.at("tolerance");
    if (tolerance.is_number()) {
      allow(".*", tolerance.get<double>(), 0.0);
    } else if (tolerance.contains("rules")) {
      for (const auto& rule : tolerance.at("rules")) {
        rules_.push_back(tolerance_from(rule));
      }
    }
  } catch (const std::exception& e) {
    throw Error(ErrorCode::kData, (folder / "case.json").string(), e.what());
  }
}

std::string CaseFolder::name() const {
  return json_.contains("case") ? json_.at("case").get<std::string>()
                                : std::filesystem::canonical(folder_).filename().string();
}

void CaseFolder::allow(const std::string& tensor_pattern, double absolute, double relative) {
  Tolerance t;
  t.tensor_pattern = tensor_pattern;
  t.tensor = std::regex(tensor_pattern);
  t.absolute = absolute;
  t.relative = relative;
  rules_.push_back(t);
}

Json CaseFolder::read_json(const std::string& file) const {
  const auto path = folder_ / file;
  return parse_json(read_file(path, kMostJsonBytes, ErrorCode::kData), path.string());
}

const SafetensorsFile& CaseFolder::open(const std::string& file) {
  const auto found = files_.find(file);
  return found != files_.end()
             ? found->second
             : files_.emplace(file, read_safetensors(folder_ / file)).first->second;
}

at::Tensor CaseFolder::input(const std::string& file, const std::string& tensor) {
  used_.emplace(file, tensor);
  return open(file).at(tensor);
}

bool CaseFolder::has(const std::string& file, const std::string& tensor) {
  return open(file).tensors.contains(tensor);
}

std::vector<std::string> CaseFolder::tensors(const std::string& file) {
  std::vector<std::string> names;
  for (const auto& entry : open(file).tensors) {
    names.push_back(entry.first);
  }
  return names;
}

std::map<std::string, at::Tensor> CaseFolder::inputs(const std::string& file) {
  const auto& all = open(file).tensors;
  for (const auto& entry : all) {
    used_.emplace(file, entry.first);
  }
  return {all.begin(), all.end()};
}

const Tolerance* CaseFolder::rule_for(const std::string& file, const std::string& tensor) const {
  for (const auto& rule : rules_) {
    if (fnmatch(rule.file_glob.c_str(), file.c_str(), 0) == 0 &&
        std::regex_match(tensor, rule.tensor)) {
      return &rule;
    }
  }
  return nullptr;
}

void CaseFolder::compare(const std::string& file, const std::string& tensor,
                         const at::Tensor& got) {
  Outcome out{.file = file, .tensor = tensor};
  const auto* rule = rule_for(file, tensor);
  if (!has(file, tensor)) {
    out.trouble = "is not stored in " + file;
  } else if (rule == nullptr || !rule->known) {
    out.trouble = "no tolerance for it in case.json that this program knows";
  } else if (!got.defined() || got.sizes() != open(file).at(tensor).sizes()) {
    out.trouble = "shape " + (got.defined() ? shape_text(got) : "(none)") + ", want " +
                  shape_text(open(file).at(tensor));
  }
  used_.emplace(file, tensor);
  if (rule != nullptr && rule->skip) {
    return;
  }
  if (out.trouble.empty()) {
    out.rule = rule->tensor_pattern;
    const auto& want = open(file).at(tensor);
    if (rule->real_tokens) {
      const auto real = open(file).at("attention_mask").ne(0).unsqueeze(-1);  // (N, L, 1)
      measure(got.masked_select(real), want.masked_select(real), *rule, out);
    } else {
      measure(got, want, *rule, out);
    }
  }
  outcomes_.push_back(std::move(out));
}

void CaseFolder::compare_if_stored(const std::string& file, const std::string& tensor,
                                   const at::Tensor& got) {
  if (has(file, tensor)) {
    compare(file, tensor, got);
  }
}

void CaseFolder::compare_numbers(const std::string& file, const std::string& what,
                                 const std::vector<double>& got, const std::vector<double>& want) {
  Outcome out{.file = file, .tensor = what};
  const auto* rule = rule_for(file, what);
  if (got.size() != want.size()) {
    out.trouble = std::to_string(got.size()) + " numbers, want " + std::to_string(want.size());
  } else if (rule == nullptr || !rule->known) {
    out.trouble = "no tolerance for it in case.json that this program knows";
  } else {
    out.rule = rule->tensor_pattern;
    measure(at::tensor(got, at::kDouble), at::tensor(want, at::kDouble), *rule, out);
  }
  outcomes_.push_back(std::move(out));
}

void CaseFolder::compare_counts(const std::string& file, const std::string& what, std::int64_t got,
                                std::int64_t want) {
  if (got != want) {
    fail(file, what, std::to_string(got) + ", want " + std::to_string(want));
    return;
  }
  outcomes_.push_back({.file = file, .tensor = what, .rule = "(exact)"});
}

void CaseFolder::compare_bound(const std::string& file, const std::string& what, double got,
                               double bound) {
  Outcome out{.file = file, .tensor = what, .rule = "(bound)", .error = got};
  out.share = got <= bound ? (bound > 0.0 ? got / bound : 0.0) : kInfinity;
  outcomes_.push_back(std::move(out));
}

void CaseFolder::fail(const std::string& file, const std::string& tensor, const std::string& why) {
  used_.emplace(file, tensor);
  outcomes_.push_back({.file = file, .tensor = tensor, .trouble = why});
}

void CaseFolder::leave_out(const std::string& file, const std::string& tensor,
                           const std::string& why) {
  used_.emplace(file, tensor);
  left_out_.push_back(file + " " + tensor + ": " + why);
}

void CaseFolder::check_listed_files(std::vector<Outcome>& outcomes) {
  if (!json_.contains("files")) {
    return;
  }
  for (const auto& [file, entry] : json_.at("files").items()) {
    Outcome out{.file = file, .tensor = "(file)"};
    try {
      if (!std::filesystem::exists(folder_ / file)) {
        out.trouble = "is missing";
      } else if (is_tensor_file(file) && entry.contains("tensors") &&
                 entry.at("tensors") != open(file).tensors.size()) {
        out.trouble = "holds " + std::to_string(open(file).tensors.size()) + " tensors, want " +
                      entry.at("tensors").dump();
      }
    } catch (const Error& e) {
      out.trouble = e.what();
    }
    if (!out.trouble.empty()) {
      outcomes.push_back(std::move(out));
    }
  }
}

void CaseFolder::check_all_used(std::vector<Outcome>& outcomes) {
  for (const auto& [file, content] : files_) {
    for (const auto& entry : content.tensors) {
      const auto* rule = rule_for(file, entry.first);
      if (!used_.contains({file, entry.first}) && !(rule != nullptr && rule->skip)) {
        outcomes.push_back({.file = file, .tensor = entry.first, .trouble = "was not compared"});
      }
    }
  }
}

std::vector<Outcome> CaseFolder::finish() {
  auto outcomes = outcomes_;
  if (outcomes.empty()) {
    outcomes.push_back({.file = "case.json", .tensor = "(all)", .trouble = "nothing was compared"});
  }
  check_listed_files(outcomes);
  check_all_used(outcomes);
  return outcomes;
}

}  // namespace medaug::golden
