// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace medaug {

/// The processes that train one model together. A step asks this interface and never how many there
/// are.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  /// Mean over the processes of a number that each of them has.
  virtual double mean(double value) = 0;
  /// True when it is true in any process.
  virtual bool any(bool value) = 0;
};

/// One process alone.
class SingleProcess final : public ProcessGroup {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  double mean(double value) override { return value; }
  bool any(bool value) override { return value; }
};

}  // namespace medaug
