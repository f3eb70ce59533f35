// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "data/preprocess.h"
#include "data/sample.h"
#include "image/image.h"

namespace medaug {

/// The picture and the mask of one record as stored, checked to have the same size.
struct StoredPair {
  Image image;
  at::Tensor levels;  ///< as `read_mask_levels`; undefined = the record has no mask
};

/// The same as the model sees it.
struct Pair {
  at::Tensor image;  ///< (C, H, W) float32 in [-1, 1]
  at::Tensor mask;   ///< (K, H, W) float32 in [0, 1]; zeros when absent
  bool has_mask = false;
  int stored_bit_depth = 8;
};

/// @param where  place of the record for messages, "train.jsonl:12"
/// @throws Error kData naming the place, the file and the reason
StoredPair read_stored_pair(const Record& record, const std::string& where);
Pair preprocess_pair(const StoredPair& stored, const Record& record,
                     const PreprocessOptions& options, const std::string& where);
/// Both in one.
Pair read_pair(const Record& record, const PreprocessOptions& options, const std::string& where);

/// "train.jsonl:12"
std::string place_of(const Manifest& manifest, const Record& record);

}  // namespace medaug
