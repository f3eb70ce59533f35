// SPDX-License-Identifier: MIT
#include "nn/cpu/kernels.h"

#include <cstdlib>
#include <string_view>

namespace medaug::nn::cpu {

#define MEDAUG_DECLARE(isa)                        \
  namespace isa {                                  \
  extern const Kernels<float> kFloatKernels;       \
  extern const Kernels<Bf16> kBf16Kernels;         \
  extern const OptimizerKernels kOptimizerKernels; \
  }
MEDAUG_DECLARE(isa_baseline)
#ifdef __x86_64__
MEDAUG_DECLARE(isa_avx2)
MEDAUG_DECLARE(isa_avx512)
#endif
#undef MEDAUG_DECLARE

namespace {

enum class Isa { kBaseline, kAvx2, kAvx512 };

Isa detect() {
#ifdef __x86_64__
  const char* wanted = std::getenv("MEDAUG_CPU");
  const std::string_view cap = wanted != nullptr ? wanted : "";
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512 && cap != "avx2" && cap != "baseline") {
    return Isa::kAvx512;
  }
  if (avx2 && cap != "baseline") {
    return Isa::kAvx2;
  }
#endif
  return Isa::kBaseline;
}

Isa isa() {
  static const Isa kPicked = detect();
  return kPicked;
}

template <class Table>
const Table& pick([[maybe_unused]] const Table& avx512, [[maybe_unused]] const Table& avx2,
                  const Table& baseline) {
  switch (isa()) {
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx2:
      return avx2;
    case Isa::kBaseline:
      break;
  }
  return baseline;
}

}  // namespace

#ifdef __x86_64__
template <>
const Kernels<float>& kernels<float>() {
  return pick(isa_avx512::kFloatKernels, isa_avx2::kFloatKernels, isa_baseline::kFloatKernels);
}
template <>
const Kernels<Bf16>& kernels<Bf16>() {
  return pick(isa_avx512::kBf16Kernels, isa_avx2::kBf16Kernels, isa_baseline::kBf16Kernels);
}
const OptimizerKernels& optimizer_kernels() {
  return pick(isa_avx512::kOptimizerKernels, isa_avx2::kOptimizerKernels,
              isa_baseline::kOptimizerKernels);
}
#else
template <>
const Kernels<float>& kernels<float>() {
  return isa_baseline::kFloatKernels;
}
template <>
const Kernels<Bf16>& kernels<Bf16>() {
  return isa_baseline::kBf16Kernels;
}
const OptimizerKernels& optimizer_kernels() { return isa_baseline::kOptimizerKernels; }
#endif

const char* instruction_set() {
  switch (isa()) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kBaseline:
      break;
  }
  return "baseline";
}

}  // namespace medaug::nn::cpu
