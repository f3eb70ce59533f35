// SPDX-License-Identifier: MIT
#include "data/loader.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace medaug {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Sample number -> index in the data set. Each thread has its own, for it keeps the last
/// permutation.
class Order {
 public:
  Order(std::uint64_t seed, std::int64_t size) : seed_(seed), size_(size) {}

  std::int64_t index_of(std::int64_t draw) {
    const std::int64_t epoch = draw / size_;
    if (epoch != epoch_) {
      order_ = permutation(
          size_, RandomStream(seed_, Purpose::kShuffle, static_cast<std::uint64_t>(epoch)));
      epoch_ = epoch;
    }
    return order_[static_cast<std::size_t>(draw % size_)];
  }

 private:
  std::uint64_t seed_;
  std::int64_t size_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
};

void copy_into(at::Tensor& batch, std::int64_t row, const at::Tensor& value) {
  const at::Tensor source = value.contiguous();
  std::copy_n(source.const_data_ptr<float>(), source.numel(),
              batch.mutable_data_ptr<float>() + row * source.numel());
}

at::Tensor batch_like(const at::Tensor& one, std::int64_t count) {
  std::vector<std::int64_t> sizes{count};
  sizes.insert(sizes.end(), one.sizes().begin(), one.sizes().end());
  return at::empty(sizes, at::kFloat);
}

struct Draw {
  std::int64_t number = 0;
  std::int64_t index = 0;  ///< in the data set
};

Batch augmented(const Dataset& data, const std::vector<Draw>& draws, const LoaderOptions& options) {
  Batch batch;
  const auto count = std::ssize(draws);
  batch.mask_present = at::empty({count}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [draw, index] = draws[static_cast<std::size_t>(i)];
    AugmentedSample sample = augment_pair(
        data.image(index), data.mask(index), data.record(index).caption, options.augment,
        RandomStream(options.seed, Purpose::kAugment, static_cast<std::uint64_t>(draw)));
    if (i == 0) {
      batch.images = batch_like(sample.image, count);
      batch.masks = batch_like(sample.mask, count);
      batch.augment = batch_like(sample.features, count);
    }
    copy_into(batch.images, i, sample.image);
    copy_into(batch.masks, i, sample.mask);
    copy_into(batch.augment, i, sample.features);
    batch.mask_present.mutable_data_ptr<float>()[i] = data.has_mask(index) ? 1.0F : 0.0F;
    batch.captions.push_back(std::move(sample.caption));
    batch.indices.push_back(index);
    batch.draws.push_back(draw);
  }
  return batch;
}

}  // namespace

std::vector<std::vector<std::size_t>> places_by_size(const Dataset& data,
                                                     const std::vector<std::int64_t>& indices) {
  std::vector<PictureSize> sizes;
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t place = 0; place < indices.size(); ++place) {
    const auto size = data.picture_size(indices[place]);
    const auto at = std::find(sizes.begin(), sizes.end(), size) - sizes.begin();
    if (at == std::ssize(sizes)) {
      sizes.push_back(size);
      groups.emplace_back();
    }
    groups[static_cast<std::size_t>(at)].push_back(place);
  }
  return groups;
}

struct Loader::Impl {
  Impl(std::shared_ptr<const Dataset> data_, const LoaderOptions& options_, std::int64_t first)
      : data(std::move(data_)),
        options(options_),
        first_draw(first),
        caller_order(options_.seed, data->size()),
        lookahead(2 * std::max(1, options_.num_workers) + 1) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    workers.clear();
  }

  std::vector<Batch> make(std::int64_t number, Order& order) const;
  void work();
  std::vector<Batch> take();

  std::shared_ptr<const Dataset> data;
  LoaderOptions options;
  std::int64_t first_draw;
  Order caller_order;
  std::int64_t lookahead;
  double waited = 0.0;
  std::int64_t next_out = 0;

  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t next_in = 0;  // guarded by mutex, as are those below
  std::map<std::int64_t, std::vector<Batch>> ready;
  std::exception_ptr failure;
  bool stopping = false;
  std::vector<std::jthread> workers;  // last: joined first
};

std::vector<Batch> Loader::Impl::make(std::int64_t number, Order& order) const {
  std::vector<Draw> draws;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < options.batch_size; ++i) {
    const std::int64_t draw = first_draw + number * options.batch_size + i;
    draws.push_back({draw, order.index_of(draw)});
    indices.push_back(draws.back().index);
  }
  std::vector<Batch> batches;
  for (const auto& places : places_by_size(*data, indices)) {
    std::vector<Draw> same_size;
    for (const auto place : places) {
      same_size.push_back(draws[place]);
    }
    batches.push_back(augmented(*data, same_size, options));
  }
  return batches;
}

void Loader::Impl::work() {
  Order order(options.seed, data->size());
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return stopping || failure || next_in < next_out + lookahead; });
    if (stopping || failure) {
      return;
    }
    const std::int64_t number = next_in++;
    lock.unlock();
    try {
      auto batches = make(number, order);
      lock.lock();
      ready.emplace(number, std::move(batches));
    } catch (...) {
      if (!lock.owns_lock()) {
        lock.lock();
      }
      failure = std::current_exception();
    }
    changed.notify_all();
  }
}

std::vector<Batch> Loader::Impl::take() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return failure || ready.contains(next_out); });
  const auto found = ready.find(next_out);
  if (found == ready.end()) {
    std::rethrow_exception(failure);
  }
  auto batches = std::move(found->second);
  ready.erase(found);
  ++next_out;
  lock.unlock();
  changed.notify_all();
  return batches;
}

Loader::Loader(std::shared_ptr<const Dataset> data, const LoaderOptions& options,
               std::int64_t first_draw) {
  if (options.batch_size < 1 || first_draw < 0 || !data || data->size() == 0) {
    throw Error(ErrorCode::kInvalidArgument, "loader",
                "needs a data set that is not empty, batch_size >= 1 and first_draw >= 0");
  }
  impl_ = std::make_unique<Impl>(std::move(data), options, first_draw);
  for (int i = 0; i < options.num_workers; ++i) {
    impl_->workers.emplace_back([impl = impl_.get()] { impl->work(); });
  }
}

Loader::~Loader() = default;

std::vector<Batch> Loader::next() {
  const auto start = Clock::now();
  auto batches =
      impl_->workers.empty() ? impl_->make(impl_->next_out++, impl_->caller_order) : impl_->take();
  impl_->waited += seconds_since(start);
  return batches;
}

double Loader::waited_seconds() const { return impl_->waited; }

}  // namespace medaug
