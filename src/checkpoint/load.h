// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "checkpoint/safetensors.h"

namespace medaug {

/// Copies the tensors of `file` whose names begin with `prefix` into the targets of the same names
/// (without the prefix). Strict: a tensor that is missing, too many, or of another shape is an
/// error, and then nothing was copied. Another floating dtype is converted, and the log says so
/// once.
/// @throws Error kCheckpoint naming the tensors
void copy_into(const NamedTensors& targets, const SafetensorsFile& file,
               const std::string& prefix = "");

/// Whether no number is NaN or infinite.
bool all_finite(const at::Tensor& tensor);

/// Refuses weights that no training run would have written. @throws Error kCheckpoint at `where`
void require_finite(const at::Tensor& tensor, const std::string& where);
/// Of a file: at the first tensor with a NaN or an infinite number.
void require_finite(const SafetensorsFile& file);

}  // namespace medaug
