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

}  // namespace

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

  Batch make(std::int64_t number, Order& order) const;
  void work();
  Batch take();

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
  std::map<std::int64_t, Batch> ready;
  std::exception_ptr failure;
  bool stopping = false;
  std::vector<std::jthread> workers;  // last: joined first
};

Batch Loader::Impl::make(std::int64_t number, Order& order) const {
  Batch batch;
  const std::int64_t count = options.batch_size;
  batch.mask_present = at::empty({count}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t draw = first_draw + number * count + i;
    const std::int64_t index = order.index_of(draw);
    AugmentedSample sample = augment_pair(
        data->image(index), data->mask(index), data->record(index).caption, options.augment,
        RandomStream(options.seed, Purpose::kAugment, static_cast<std::uint64_t>(draw)));
    if (i == 0) {
      batch.images = batch_like(sample.image, count);
      batch.masks = batch_like(sample.mask, count);
      batch.augment = batch_like(sample.features, count);
    }
    copy_into(batch.images, i, sample.image);
    copy_into(batch.masks, i, sample.mask);
    copy_into(batch.augment, i, sample.features);
    batch.mask_present.mutable_data_ptr<float>()[i] = data->has_mask(index) ? 1.0F : 0.0F;
    batch.captions.push_back(std::move(sample.caption));
    batch.indices.push_back(index);
    batch.draws.push_back(draw);
  }
  return batch;
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
      Batch batch = make(number, order);
      lock.lock();
      ready.emplace(number, std::move(batch));
    } catch (...) {
      if (!lock.owns_lock()) {
        lock.lock();
      }
      failure = std::current_exception();
    }
    changed.notify_all();
  }
}

Batch Loader::Impl::take() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return failure || ready.contains(next_out); });
  const auto found = ready.find(next_out);
  if (found == ready.end()) {
    std::rethrow_exception(failure);
  }
  Batch batch = std::move(found->second);
  ready.erase(found);
  ++next_out;
  lock.unlock();
  changed.notify_all();
  return batch;
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

Batch Loader::next() {
  const auto start = Clock::now();
  Batch batch =
      impl_->workers.empty() ? impl_->make(impl_->next_out++, impl_->caller_order) : impl_->take();
  impl_->waited += seconds_since(start);
  return batch;
}

double Loader::waited_seconds() const { return impl_->waited; }

}  // namespace medaug
