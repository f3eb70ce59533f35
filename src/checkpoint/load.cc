// SPDX-License-Identifier: MIT
#include "checkpoint/load.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/ScalarType.h>

#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/safetensors_reader.h"

namespace medaug {
namespace {

std::string shown(const SafetensorsFile& file) { return printable(file.path.string(), 1000); }

void check_shape(const std::string& name, const at::Tensor& target, const at::Tensor& source,
                 const SafetensorsFile& file) {
  const std::string where = shown(file) + ": tensor '" + name + "'";
  if (source.sizes() != target.sizes()) {
    throw Error(ErrorCode::kCheckpoint, where,
                "has shape " + shape_text(source.sizes()) + ", the model needs " +
                    shape_text(target.sizes()),
                "the checkpoint is of a model with other options");
  }
  if (source.is_floating_point() != target.is_floating_point()) {
    throw Error(ErrorCode::kCheckpoint, where,
                "is of dtype " + dtype_name(name, source.scalar_type()) + ", the model needs " +
                    dtype_name(name, target.scalar_type()),
                "the checkpoint is of a model with other options");
  }
}

void check_none_left(const std::set<std::string>& known, const SafetensorsFile& file,
                     const std::string& prefix) {
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(prefix) && !known.contains(name)) {
      throw Error(ErrorCode::kCheckpoint, shown(file) + ": tensor '" + name + "'",
                  "is not part of this model", "the checkpoint is of a model with other options");
    }
  }
}

}  // namespace

bool all_finite(const at::Tensor& tensor) {
  constexpr std::int64_t kPiece = 1 << 20;  // looked at together: the comparison takes memory, too
  const auto flat = tensor.flatten();
  for (std::int64_t begin = 0; tensor.is_floating_point() && begin < flat.numel();
       begin += kPiece) {
    if (!at::isfinite(flat.slice(0, begin, begin + kPiece)).all().item<bool>()) {
      return false;
    }
  }
  return true;
}

void copy_into(const NamedTensors& targets, const SafetensorsFile& file,
               const std::string& prefix) {
  std::set<std::string> known;
  std::string converted;
  for (const auto& [name, target] : targets) {
    const at::Tensor& source = file.at(prefix + name);
    check_shape(prefix + name, target, source, file);
    if (source.scalar_type() != target.scalar_type()) {
      converted = c10::toString(source.scalar_type());
    }
    known.insert(prefix + name);
  }
  check_none_left(known, file, prefix);
  if (!converted.empty()) {
    log_info(shown(file) + ": weights of dtype " + converted + " are converted");
  }
  const at::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) {
    target.copy_(file.at(prefix + name));
  }
}

void require_finite(const at::Tensor& tensor, const std::string& where) {
  if (!all_finite(tensor)) {
    throw Error(ErrorCode::kCheckpoint, where, "has a number that is not finite",
                "the weights are damaged: fetch them again, or use an earlier checkpoint");
  }
}

void require_finite(const SafetensorsFile& file) {
  for (const auto& [name, tensor] : file.tensors) {
    require_finite(tensor, shown(file) + ": tensor '" + name + "'");
  }
}

}  // namespace medaug
