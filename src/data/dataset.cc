// SPDX-License-Identifier: MIT
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "data/fnv.h"
#include "data/loader.h"
#include "data/pair.h"

namespace medaug {
namespace {

/// One picture at the model's size, in as few bytes as keep it exact.
struct Entry {
  std::vector<std::uint8_t> image8;    ///< C' * H * W, C' = its own channels
  std::vector<std::uint16_t> image16;  ///< the same for a 16-bit picture
  std::vector<std::uint8_t> mask;      ///< K * H * W, 255ths; empty = no mask
  std::int64_t channels = 1;
  std::int64_t height = 0, width = 0;
  int bit_depth = 8;  ///< as stored in the file
  bool loaded = false;
};

template <class T>
std::vector<T> quantise(const at::Tensor& unit, float top, float low) {
  std::vector<T> out(static_cast<std::size_t>(unit.numel()));
  const float* values = unit.const_data_ptr<float>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<T>(std::floor((values[i] - low) * top + 0.5F));
  }
  return out;
}

// The same arithmetic as preprocess_image, so that the cache gives back the same bytes.
template <class T>
void restore(const std::vector<T>& levels, float top, float* out) {
  for (std::size_t i = 0; i < levels.size(); ++i) {
    out[i] = static_cast<float>(levels[i]) * (2.0F / top) - 1.0F;
  }
}

class CachedDataset final : public Dataset {
 public:
  CachedDataset(const Manifest& manifest, const PreprocessOptions& options)
      : manifest_(manifest), options_(options), entries_(manifest.records.size()) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(entries_.size()); }
  const Record& record(std::int64_t index) const override {
    return manifest_.records.at(static_cast<std::size_t>(index));
  }
  PictureSize picture_size(std::int64_t index) const override {
    return {entry(index).height, entry(index).width};
  }
  bool has_mask(std::int64_t index) const override { return !entry(index).mask.empty(); }
  std::uint64_t content_hash() const override { return hash_; }

  at::Tensor image(std::int64_t index) const override {
    const Entry& e = entry(index);
    const std::int64_t plane = e.height * e.width;
    at::Tensor out = at::empty({options_.channels, e.height, e.width}, at::kFloat);
    float* values = out.mutable_data_ptr<float>();
    if (e.image16.empty()) {
      restore(e.image8, 255.0F, values);
    } else {
      restore(e.image16, 65535.0F, values);
    }
    for (std::int64_t c = e.channels; c < options_.channels; ++c) {
      std::copy_n(values, plane, values + c * plane);
    }
    return out;
  }

  at::Tensor mask(std::int64_t index) const override {
    const Entry& e = entry(index);
    at::Tensor out = at::zeros({options_.mask_classes, e.height, e.width}, at::kFloat);
    float* values = out.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < e.mask.size(); ++i) {
      values[i] = static_cast<float>(e.mask[i]) * (1.0F / 255.0F);
    }
    return out;
  }

  /// Reads one record with the options as they are now; its own channels and depth where they are
  /// still open.
  void fill(std::size_t index) {
    const Record& record = manifest_.records[index];
    PreprocessOptions own = options_;
    own.channels =
        options_.channels == 1 ? 1 : 0;  // grey is repeated to colour only when it is given out
    const Pair pair = read_pair(record, own, place_of(manifest_, record));
    Entry& e = entries_[index];
    e = Entry{};
    e.channels = pair.image.size(0);
    e.height = pair.image.size(1);
    e.width = pair.image.size(2);
    e.bit_depth = pair.stored_bit_depth;
    const bool deep = options_.bit_depth > 0 ? options_.bit_depth == 16 : e.bit_depth == 16;
    if (deep) {
      e.image16 = quantise<std::uint16_t>(pair.image, 65535.0F / 2.0F, -1.0F);
    } else {
      e.image8 = quantise<std::uint8_t>(pair.image, 255.0F / 2.0F, -1.0F);
    }
    if (pair.has_mask) {
      e.mask = quantise<std::uint8_t>(pair.mask, 255.0F, 0.0F);
    }
    e.loaded = true;
  }

  /// Fixes channels and bit depth; the records that now need another treatment are returned.
  std::vector<std::size_t> settle(PreprocessOptions& options) {
    std::vector<std::size_t> again;
    std::int64_t channels = 1;
    std::int64_t depth = 8;
    for (const auto& e : entries_) {
      channels = e.loaded ? std::max(channels, e.channels) : channels;
      depth = e.loaded && e.bit_depth == 16 ? 16 : depth;
    }
    options.channels = options.channels > 0 ? options.channels : channels;
    options.bit_depth = options.bit_depth > 0 ? options.bit_depth : depth;
    options_ = options;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].loaded && entries_[i].image16.empty() != (options.bit_depth == 8)) {
        again.push_back(i);
      }
    }
    return again;
  }

  void drop_unloaded() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].loaded) {
        if (kept != i) {
          entries_[kept] = std::move(entries_[i]);
          manifest_.records[kept] = std::move(manifest_.records[i]);
        }
        ++kept;
      }
    }
    entries_.resize(kept);
    manifest_.records.resize(kept);
  }

  void compute_hash() {
    hash_ = kFnvStart;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& e = entries_[i];
      const std::string& caption = manifest_.records[i].caption;
      hash_ = fnv(hash_, e.image8.data(), e.image8.size());
      hash_ = fnv(hash_, e.image16.data(), 2 * e.image16.size());
      hash_ = fnv(hash_, e.mask.data(), e.mask.size());
      hash_ = fnv(hash_, caption.c_str(), caption.size() + 1);
    }
  }

 private:
  const Entry& entry(std::int64_t index) const {
    return entries_.at(static_cast<std::size_t>(index));
  }

  Manifest manifest_;
  PreprocessOptions options_;
  std::vector<Entry> entries_;
  std::uint64_t hash_ = 0;
};

/// Fills the given records by several threads. Returns the errors in the order of the records.
std::vector<Error> fill_all(CachedDataset& data, const std::vector<std::size_t>& indices,
                            int threads) {
  std::atomic<std::size_t> next{0};
  std::vector<std::optional<Error>> errors(indices.size());
  const auto work = [&] {
    for (std::size_t i = next++; i < indices.size(); i = next++) {
      try {
        data.fill(indices[i]);
      } catch (const Error& e) {
        errors[i] = e;
      } catch (const std::exception& e) {
        errors[i] =
            Error(ErrorCode::kInternal,
                  place_of({}, data.record(static_cast<std::int64_t>(indices[i]))), e.what());
      }
    }
  };
  std::vector<std::jthread> pool;
  for (int t = 1; t < threads; ++t) {
    pool.emplace_back(work);
  }
  work();
  pool.clear();
  std::vector<Error> found;
  for (auto& error : errors) {
    if (error) {
      found.push_back(std::move(*error));
    }
  }
  return found;
}

void judge(const std::vector<Error>& errors, std::size_t records, double max_bad_fraction) {
  if (errors.empty()) {
    return;
  }
  // A wrong option shows in every record: it is no property of the data.
  const bool too_many =
      static_cast<double>(errors.size()) > max_bad_fraction * static_cast<double>(records) ||
      errors.size() == records || errors.front().code() != ErrorCode::kData;
  const Error& first = errors.front();
  if (too_many) {
    const std::string more =
        errors.size() == 1 ? ""
                           : " (and " + std::to_string(errors.size() - 1) + " more bad records)";
    throw Error(
        first.code(), first.where(), first.message() + more,
        first.hint().empty() ? "'medaug check data MANIFEST' lists all of them" : first.hint());
  }
  for (const auto& error : errors) {
    log_warning(std::string("skipped: ") + error.what());
  }
  log_warning(std::to_string(errors.size()) + " of " + std::to_string(records) +
              " records were skipped");
}

}  // namespace

std::shared_ptr<const Dataset> Dataset::load(const Manifest& manifest, PreprocessOptions& options,
                                             int threads, double max_bad_fraction) {
  auto data = std::make_shared<CachedDataset>(manifest, options);
  std::vector<std::size_t> all(manifest.records.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  judge(fill_all(*data, all, threads), all.size(), max_bad_fraction);
  const std::vector<std::size_t> again = data->settle(options);
  judge(fill_all(*data, again, threads), again.size(), 0.0);
  data->drop_unloaded();
  data->compute_hash();
  return data;
}

}  // namespace medaug
