// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "evaluation/items.h"

namespace medaug {

/// One image and what was found out about it.
struct Row {
  EvaluationItem item;
  Json values = Json::object();  ///< name of a column -> number, text or null
  std::optional<Error> failure;  ///< why it cannot be used; such rows do not stay in the table
};

/// What the network of a measure reads of one image.
struct Pictures {
  at::Tensor image;  ///< (C, H, W)
  at::Tensor mask;   ///< (K, H, W), or undefined for all of them
};

/// Called with the images that are done, of how many.
using OnProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// The images under evaluation. An image that cannot be read is taken out with its reason, and the
/// others go on.
class Table {
 public:
  explicit Table(Collection collection);
  /// The images of a source by themselves.
  explicit Table(const Source& source);

  std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }
  std::vector<Row>& rows() { return rows_; }
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Skipped>& skipped() const { return skipped_; }

  /// Calls `work` for every row, several at a time. A row for which it throws kData is skipped.
  /// @throws Error kData with the last reason when no row is left; any other error as it is
  void for_each(const std::function<void(Row&)>& work, const OnProgress& on_progress = {});

  /// Reads the rows, several at a time, and hands blocks of them over in the order of the rows:
  /// images (N, C, H, W), masks (N, K, H, W) or undefined. Memory holds one block.
  /// @throws as for_each
  void stream(const std::function<Pictures(const EvaluationItem&)>& read,
              const std::function<void(const at::Tensor& images, const at::Tensor& masks)>& use,
              const OnProgress& on_progress = {});

  /// The numbers of a column, nulls and rows without it left out.
  std::vector<double> column(const std::string& name) const;

 private:
  void work_on(std::int64_t begin, std::int64_t end, const std::function<void(Row&)>& work);
  void take_out_failed();

  std::vector<Row> rows_;
  std::vector<Skipped> skipped_;
};

/// {"n", "mean", "std", "median", "min", "max", "ci95"}: `summarise` as it is written. Nulls for an
/// empty list; no interval for a single value.
Json summary_json(const std::vector<double>& values, std::uint64_t seed);

/// Null for what is not a finite number: JSON has none.
Json number_or_null(double value);

}  // namespace medaug
