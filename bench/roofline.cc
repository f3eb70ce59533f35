// SPDX-License-Identifier: MIT
// What this machine can do at most, measured here and now: the bars beside which every other figure
// stands.

#include "roofline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"

namespace medaug {
namespace {

/// Shortest of several runs, in seconds: a peak, not a typical value.
template <class F>
double shortest(int rounds, F&& f) {
  f();
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    const double begin = monotonic_seconds();
    f();
    best = std::min(best, monotonic_seconds() - begin);
  }
  return best;
}

double product_peak(at::ScalarType type) {
  const c10::InferenceMode inference;
  constexpr std::int64_t kSide = 2048;
  const auto a = at::randn({kSide, kSide}).to(type), b = at::randn({kSide, kSide}).to(type);
  auto c = at::empty({kSide, kSide}, a.options());
  return 2.0 * kSide * kSide * kSide / shortest(5, [&] { at::mm_out(c, a, b); });
}

/// Reads and writes of c = a + s b over arrays that no cache holds.
double bandwidth() {
  const c10::InferenceMode inference;
  constexpr std::int64_t kCount = 32 << 20;
  const auto a = at::ones({kCount}), b = at::ones({kCount});
  auto c = at::zeros({kCount});
  return 12.0 * kCount / shortest(5, [&] { at::add_out(c, a, b, 2.0); });
}

/// Seconds for one 4 KiB page: written for the first time, and again.
std::pair<double, double> page_cost() {
  constexpr std::size_t kPages = 16384, kPage = 4096;
  void* const memory =
      ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return {0.0, 0.0};
  }
  auto* const bytes = static_cast<volatile char*>(memory);
  const auto touch = [&] {
    const double begin = monotonic_seconds();
    for (std::size_t i = 0; i < kPages * kPage; i += 64) {
      bytes[i] = 1;
    }
    return (monotonic_seconds() - begin) / kPages;
  };
  const double first = touch();
  const double again = touch();
  ::munmap(memory, kPages * kPage);
  return {first, again};
}

}  // namespace

std::int64_t minor_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

double peak_memory_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

Roofline measure_roofline() {
  Roofline r;
  r.threads = at::get_num_threads();
  r.bf16_flops = product_peak(at::kBFloat16);
  r.float_flops = product_peak(at::kFloat);
  r.bytes_per_second = bandwidth();
  std::tie(r.fresh_page_seconds, r.used_page_seconds) = page_cost();
  return r;
}

}  // namespace medaug
