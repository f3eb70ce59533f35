// SPDX-License-Identifier: MIT
#include "training/state_array.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <bit>

#include "nn/cpu/kernels.h"

namespace medaug {
namespace {

constexpr std::uint32_t kGolden = 0x9E3779B9U, kFirst = 0x7FEB352DU, kSecond = 0x846CA68BU;

// 16 random bits of an element: a mixer of 32 bits (Wellons, "Prospecting for hash functions",
// 2018, nullprogram.com/blog/2018/07/31; lowbias32) over its number and the key.
std::uint32_t noise_of(std::uint32_t place, std::uint32_t key) {
  std::uint32_t x = place * kGolden ^ key;
  x = (x ^ (x >> 16)) * kFirst;
  x = (x ^ (x >> 15)) * kSecond;
  return x >> 16;
}

// The same on any device. ATen shifts only signed numbers: the words stand in 64 bits.
at::Tensor noise_like(const at::Tensor& values, std::uint32_t key) {
  constexpr std::int64_t kWord = 0xFFFFFFFF;
  auto x = at::arange(values.numel(), values.options().dtype(at::kLong));
  x.mul_(static_cast<std::int64_t>(kGolden))
      .bitwise_and_(kWord)
      .bitwise_xor_(static_cast<std::int64_t>(key));
  x.bitwise_xor_(x.bitwise_right_shift(16)).mul_(static_cast<std::int64_t>(kFirst));
  x.bitwise_and_(kWord);
  x.bitwise_xor_(x.bitwise_right_shift(15));
  // (2^32 - 1)^2 does not fit into 63 bits, but the low 32 bits of the product do not mind.
  x.mul_(static_cast<std::int64_t>(kSecond)).bitwise_and_(kWord);
  return x.bitwise_right_shift_(16).to(at::kInt);
}

// The upper half of a float32 is a bfloat16; adding less than one of its steps to the lower half
// carries over with the right probability. Infinities and NaN have no room for that.
std::uint16_t rounded(float value, std::uint32_t noise) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool finite = (bits & 0x7F800000U) != 0x7F800000U;
  return static_cast<std::uint16_t>((finite ? bits + noise : bits) >> 16);
}

at::Tensor rounded(const at::Tensor& values, std::uint32_t key) {
  const auto flat = values.contiguous().view({-1});
  const auto bits = flat.view(at::kInt);
  const auto carried = bits + noise_like(flat, key);
  const auto chosen = at::where(flat.isfinite(), carried, bits);
  return chosen.bitwise_and(static_cast<std::int64_t>(-65536)).view(at::kFloat).to(at::kBFloat16);
}

}  // namespace

StateArray::StateArray(std::int64_t size, at::ScalarType full, at::ScalarType kept,
                       at::Device device)
    : values_(at::zeros({size}, at::TensorOptions().dtype(kept).device(device))), full_(full) {}

at::Tensor StateArray::read(std::int64_t offset, std::int64_t size) const {
  return values_.narrow(0, offset, size).to(full_);
}

void StateArray::write(std::int64_t offset, const at::Tensor& values, std::uint32_t key) {
  if (is_low()) {
    values_.narrow(0, offset, values.numel()).copy_(rounded(values.to(at::kFloat), key));
  }
}

float* StateArray::load(std::int64_t offset, std::int64_t size, std::vector<float>& room) const {
  if (!is_low()) {
    return values_.mutable_data_ptr<float>() + offset;
  }
  room.resize(static_cast<std::size_t>(size));
  const auto* from = static_cast<const nn::cpu::Bf16*>(values_.const_data_ptr()) + offset;
  for (auto& value : room) {
    value = std::bit_cast<float>(static_cast<std::uint32_t>((from++)->bits) << 16);
  }
  return room.data();
}

void StateArray::store(std::int64_t offset, std::int64_t place, const std::vector<float>& room,
                       std::uint32_t key) const {
  if (!is_low()) {
    return;
  }
  auto* to = static_cast<nn::cpu::Bf16*>(values_.mutable_data_ptr()) + offset;
  for (std::size_t i = 0; i < room.size(); ++i) {
    to[i].bits = rounded(
        room[i], noise_of(static_cast<std::uint32_t>(place) + static_cast<std::uint32_t>(i), key));
  }
}

}  // namespace medaug
