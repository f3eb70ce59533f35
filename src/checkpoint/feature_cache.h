// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace medaug {

/// What the features of a caption depend on, besides its tokens.
struct FeatureKey {
  std::string weights_hash;    ///< SHA-256 of the encoder's options and weights
  std::string tokenizer_hash;  ///< SHA-256 of the tokenizer model
  std::int64_t max_tokens = 256;
  at::ScalarType dtype = at::kBFloat16;  ///< in which they are computed; they are kept in bfloat16
};

struct FeatureCacheOptions {
  std::int64_t memory_bytes = 256 << 20;  ///< of the entries that are kept in memory
  std::int64_t disk_bytes = 0;  ///< beyond it the entries written first are removed; 0 = no limit
};

/// Features of captions by a frozen text encoder, one safetensors file per caption in a folder.
/// Thread-safe, and safe for several processes on one folder: files appear whole or not at all, and
/// an entry counts only when its key, tokens and checksum are right.
class FeatureCache {
 public:
  /// @param folder  made when the first entry is written; empty = memory only
  FeatureCache(std::filesystem::path folder, const FeatureKey& key,
               const FeatureCacheOptions& options = {});

  /// @param ids  real tokens of one caption, without padding
  /// @return     (L, D) bfloat16 on the CPU, shared and not to be written to; nothing when there is
  ///             no entry or a damaged one, of which the log says so
  std::optional<at::Tensor> find(const std::vector<std::int64_t>& ids);

  /// Keeps (L, D) features. A disk that cannot be written to is named in the log, once.
  /// @return  what `find` gives from now on
  /// @throws Error kNumeric for features that are not finite, kInvalidArgument for another shape
  at::Tensor put(const std::vector<std::int64_t>& ids, const at::Tensor& features);

  struct Usage {
    std::int64_t entries = 0;
    std::int64_t bytes = 0;
  };
  /// On disk, of all keys, counted now.
  Usage usage() const;

 private:
  struct Entry {
    std::string hash;
    at::Tensor features;
  };

  std::string hash_of(const std::vector<std::int64_t>& ids) const;
  std::filesystem::path path_of(const std::string& hash) const;
  void keep(const std::string& hash, const at::Tensor& features);
  void write(const std::string& hash, const std::vector<std::int64_t>& ids,
             const at::Tensor& features);
  void trim(std::int64_t added_bytes);

  std::filesystem::path folder_;
  std::string key_;
  FeatureCacheOptions options_;
  std::mutex mutex_;
  std::list<Entry> recent_;  ///< the one used last first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_hash_;
  std::int64_t memory_bytes_ = 0;
  std::optional<std::int64_t> disk_bytes_;  ///< as far as this object knows
  bool warned_ = false;
};

}  // namespace medaug
