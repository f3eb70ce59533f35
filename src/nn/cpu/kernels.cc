// SPDX-License-Identifier: MIT
#include "nn/cpu/kernels.h"

#include <algorithm>
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
MEDAUG_DECLARE(isa_avx512bf16)
namespace isa_avx512bf16 {
extern const AttentionKernels kAttentionKernels;
}
#endif
#undef MEDAUG_DECLARE

namespace {

enum class Isa { kBaseline, kAvx2, kAvx512, kAvx512Bf16 };

Isa supported() {
#ifdef __x86_64__
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return Isa::kBaseline;
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return Isa::kAvx2;
  }
  return __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16 : Isa::kAvx512;
#else
  return Isa::kBaseline;
#endif
}

constexpr const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::kAvx512Bf16:
      return "avx512bf16";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kBaseline:
      break;
  }
  return "baseline";
}

Isa detect() {
  const auto best = supported();
  const char* const wanted = std::getenv("MEDAUG_CPU");
  for (const auto isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (wanted != nullptr && std::string_view(wanted) == name_of(isa)) {
      return std::min(isa, best);
    }
  }
  return best;
}

Isa isa() {
  static const Isa kPicked = detect();
  return kPicked;
}

}  // namespace

#ifdef __x86_64__
#define MEDAUG_PICK(table)          \
  switch (isa()) {                  \
    case Isa::kAvx512Bf16:          \
      return isa_avx512bf16::table; \
    case Isa::kAvx512:              \
      return isa_avx512::table;     \
    case Isa::kAvx2:                \
      return isa_avx2::table;       \
    case Isa::kBaseline:            \
      break;                        \
  }                                 \
  return isa_baseline::table
#else
#define MEDAUG_PICK(table) return isa_baseline::table
#endif

template <>
const Kernels<float>& kernels<float>() {
  MEDAUG_PICK(kFloatKernels);
}
template <>
const Kernels<Bf16>& kernels<Bf16>() {
  MEDAUG_PICK(kBf16Kernels);
}
const OptimizerKernels& optimizer_kernels() { MEDAUG_PICK(kOptimizerKernels); }

const AttentionKernels* attention_kernels() {
#ifdef __x86_64__
  if (isa() == Isa::kAvx512Bf16) {
    return &isa_avx512bf16::kAttentionKernels;
  }
#endif
  return nullptr;
}

const char* instruction_set() { return name_of(isa()); }

}  // namespace medaug::nn::cpu
