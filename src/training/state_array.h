// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace medaug {

/// A flat array of an optimiser's state: in full precision, or in bfloat16 with stochastic rounding
/// (a value between two numbers becomes either, with its own distance as the probability), so that
/// changes below half a step are not lost on the average. The choice is a function of the key and
/// the element alone: the same on every device and for any number of threads.
class StateArray {
 public:
  StateArray() = default;  ///< of no elements
  /// @param full  float32 or float64: what is read and computed with
  /// @param kept  the same, or bfloat16
  StateArray(std::int64_t size, at::ScalarType full, at::ScalarType kept, at::Device device);

  /// Elements from `offset` on in full precision: a view where they are kept so, else a copy.
  at::Tensor read(std::int64_t offset, std::int64_t size) const;
  /// Takes back what `read` gave, changed. Nothing is left to do for a view.
  void write(std::int64_t offset, const at::Tensor& values, std::uint32_t key);

  /// The same for float32 on the CPU, for a part of a parameter, safe for parts of several threads.
  /// @param room  of `size` elements, used when they are not kept in float32
  float* load(std::int64_t offset, std::int64_t size, std::vector<float>& room) const;
  /// @param place  of the first element in its parameter
  void store(std::int64_t offset, std::int64_t place, const std::vector<float>& room,
             std::uint32_t key) const;

  /// As it is kept.
  const at::Tensor& tensor() const { return values_; }

 private:
  bool is_low() const { return values_.scalar_type() != full_; }

  at::Tensor values_;
  at::ScalarType full_ = at::kFloat;
};

}  // namespace medaug
