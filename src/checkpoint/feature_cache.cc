// SPDX-License-Identifier: MIT
#include "checkpoint/feature_cache.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_reader.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

// Part of every key: to be counted up when features of the same weights become other ones.
constexpr const char* kFormat = "medaug-features-1";
constexpr const char* kEnd = ".safetensors";
constexpr double kTrimTo = 0.9;  // of the limit, so that not every entry trims

using Ids = std::vector<std::int64_t>;

std::string checksum(const at::Tensor& features) {
  return sha256({static_cast<const char*>(features.const_data_ptr()), features.nbytes()});
}

/// @throws Error kCheckpoint for anything but the entry that was written
at::Tensor read_entry(const fs::path& path, const std::string& hash, const Ids& ids) {
  const SafetensorsReader reader(path);
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kCheckpoint, printable(path.string(), 1000), what);
  };
  const TensorEntry *stored_ids = nullptr, *stored = nullptr;
  for (const auto& entry : reader.header().entries) {
    stored_ids = entry.name == "ids" && entry.dtype == "I64" ? &entry : stored_ids;
    stored = entry.name == "features" && entry.dtype == "BF16" ? &entry : stored;
  }
  const Metadata& metadata = reader.header().metadata;
  const auto length = std::ssize(ids);
  if (stored_ids == nullptr || stored == nullptr || !metadata.contains("key") ||
      metadata.at("key") != hash || stored_ids->shape != Ids{length} || stored->shape.size() != 2 ||
      stored->shape[0] != length) {
    refuse("is not the entry of these tokens");
  }
  const auto features = reader.read(*stored);
  if (!reader.read(*stored_ids).equal(at::tensor(ids, at::kLong)) || !metadata.contains("sha256") ||
      metadata.at("sha256") != checksum(features)) {
    refuse("its checksum is wrong");
  }
  return features;
}

struct FileOnDisk {
  fs::file_time_type time;
  std::int64_t bytes = 0;
  fs::path path;
};

/// All entries below a folder. Others may add or remove some meanwhile: what is gone is passed
/// over.
std::vector<FileOnDisk> entries_in(const fs::path& folder) {
  std::vector<FileOnDisk> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename().string().size() != 2) {
      continue;
    }
    std::error_code inner;
    for (fs::directory_iterator file(at->path(), inner), last; !inner && file != last;
         file.increment(inner)) {
      std::error_code gone;
      const auto time = file->last_write_time(gone);
      const auto bytes = gone ? 0 : file->file_size(gone);
      if (!gone && file->path().extension() == kEnd &&
          !file->path().filename().string().starts_with('.')) {
        found.push_back({time, static_cast<std::int64_t>(bytes), file->path()});
      }
    }
  }
  return found;
}

}  // namespace

FeatureCache::FeatureCache(fs::path folder, const FeatureKey& key,
                           const FeatureCacheOptions& options)
    : folder_(std::move(folder)), options_(options) {
  key_ = std::string(kFormat) + "\nweights " + key.weights_hash + "\ntokenizer " +
         key.tokenizer_hash + "\nmax_tokens " + std::to_string(key.max_tokens) + "\ndtype " +
         c10::toString(key.dtype) + "\nids";
}

std::string FeatureCache::hash_of(const Ids& ids) const {
  std::string text = key_;
  for (const auto id : ids) {
    text += " " + std::to_string(id);
  }
  return sha256(text);
}

fs::path FeatureCache::path_of(const std::string& hash) const {
  return folder_ / hash.substr(0, 2) / (hash + kEnd);
}

std::optional<at::Tensor> FeatureCache::find(const Ids& ids) {
  const auto hash = hash_of(ids);
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_hash_.find(hash);
    if (found != by_hash_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return recent_.front().features;
    }
  }
  const auto path = path_of(hash);
  std::error_code ignored;
  if (folder_.empty() || !fs::exists(path, ignored)) {
    return std::nullopt;
  }
  try {
    const auto features = read_entry(path, hash, ids);
    keep(hash, features);
    return features;
  } catch (const Error& e) {  // an entry can always be computed again
    log_warning(std::string("damaged cache entry, computed again: ") + e.what());
    return std::nullopt;
  }
}

at::Tensor FeatureCache::put(const Ids& ids, const at::Tensor& features) {
  if (features.dim() != 2 || features.size(0) != std::ssize(ids)) {
    throw Error(ErrorCode::kInvalidArgument, "features",
                "are not (tokens, width) of " + std::to_string(ids.size()) + " tokens");
  }
  const auto kept = features.detach().to(at::kCPU, at::kBFloat16).contiguous();
  if (!at::isfinite(kept).all().item<bool>()) {
    throw Error(ErrorCode::kNumeric, "text encoder", "gives features that are not finite",
                "its weights are damaged: download them again");
  }
  const auto hash = hash_of(ids);
  keep(hash, kept);
  if (!folder_.empty()) {
    try {
      write(hash, ids, kept);
    } catch (const Error& e) {  // slower without, but not wrong
      const std::lock_guard lock(mutex_);
      if (!std::exchange(warned_, true)) {
        log_warning(std::string("features of captions are kept in memory only: ") + e.what());
      }
    }
  }
  return kept;
}

void FeatureCache::keep(const std::string& hash, const at::Tensor& features) {
  const std::lock_guard lock(mutex_);
  const auto bytes = static_cast<std::int64_t>(features.nbytes());
  const auto known = by_hash_.find(hash);
  if (known != by_hash_.end()) {
    memory_bytes_ -= static_cast<std::int64_t>(known->second->features.nbytes());
    recent_.erase(known->second);
  }
  recent_.push_front({hash, features});
  by_hash_[hash] = recent_.begin();
  memory_bytes_ += bytes;
  while (memory_bytes_ > options_.memory_bytes && !recent_.empty()) {
    memory_bytes_ -= static_cast<std::int64_t>(recent_.back().features.nbytes());
    by_hash_.erase(recent_.back().hash);
    recent_.pop_back();
  }
}

void FeatureCache::write(const std::string& hash, const Ids& ids, const at::Tensor& features) {
  const auto path = path_of(hash);
  make_folders(path.parent_path());
  write_safetensors(path, {{"ids", at::tensor(ids, at::kLong)}, {"features", features}},
                    {{"format", kFormat}, {"key", hash}, {"sha256", checksum(features)}});
  if (options_.disk_bytes > 0) {
    std::error_code gone;
    const auto bytes = fs::file_size(path, gone);
    trim(gone ? 0 : static_cast<std::int64_t>(bytes));
  }
}

void FeatureCache::trim(std::int64_t added_bytes) {
  const std::lock_guard lock(mutex_);
  disk_bytes_ = disk_bytes_ ? *disk_bytes_ + added_bytes : usage().bytes;
  if (*disk_bytes_ <= options_.disk_bytes) {
    return;
  }
  auto files = entries_in(folder_);
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.time < b.time; });
  std::int64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.bytes;
  }
  const auto most = static_cast<std::int64_t>(kTrimTo * static_cast<double>(options_.disk_bytes));
  for (auto file = files.begin(); file != files.end() && bytes > most; ++file) {
    std::error_code ignored;
    fs::remove(file->path, ignored);
    bytes -= file->bytes;
  }
  disk_bytes_ = bytes;
}

FeatureCache::Usage FeatureCache::usage() const {
  Usage usage;
  for (const auto& file : entries_in(folder_)) {
    ++usage.entries;
    usage.bytes += file.bytes;
  }
  return usage;
}

}  // namespace medaug
