// SPDX-License-Identifier: MIT
#include "evaluation/table.h"

#include <ATen/Parallel.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "evaluation/statistics.h"

namespace medaug {
namespace {

constexpr std::int64_t kBlock = 128;

}  // namespace

Table::Table(Collection collection) : skipped_(std::move(collection.skipped)) {
  for (auto& item : collection.items) {
    rows_.push_back({std::move(item), Json::object(), {}});
  }
}

Table::Table(const Source& source) {
  for (const auto& item : source.items) {
    rows_.push_back({{item.name, item.image, std::nullopt, item.mask, item.spacing_mm, item.image},
                     Json::object(),
                     {}});
  }
}

void Table::work_on(std::int64_t begin, std::int64_t end, const std::function<void(Row&)>& work) {
  at::parallel_for(begin, end, 1, [&](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      auto& row = rows_[static_cast<std::size_t>(i)];
      try {
        work(row);
      } catch (const Error& e) {
        if (e.code() != ErrorCode::kData) {
          throw;
        }
        row.failure = e;
      }
    }
  });
}

void Table::take_out_failed() {
  std::optional<Error> last;
  for (const auto& row : rows_) {
    if (row.failure) {
      const auto& e = *row.failure;
      skipped_.push_back(
          {row.item.name, e.where().empty() ? e.message() : e.where() + ": " + e.message()});
      last = e;
    }
  }
  std::erase_if(rows_, [](const Row& row) { return row.failure.has_value(); });
  if (last && rows_.empty()) {
    throw Error(ErrorCode::kData, last->where(),
                "no image is left to evaluate; the last one: " + last->message(),
                last->hint().empty() ? "PNG, JPEG, TIFF and BMP files are read" : last->hint());
  }
}

void Table::for_each(const std::function<void(Row&)>& work, const OnProgress& on_progress) {
  const auto report = [&](std::int64_t done) {
    if (on_progress) {
      on_progress(done, size());
    }
  };
  report(0);
  for (std::int64_t begin = 0; begin < size(); begin += kBlock) {
    const auto end = std::min(size(), begin + kBlock);
    work_on(begin, end, work);
    report(end);
  }
  take_out_failed();
}

void Table::stream(
    const std::function<Pictures(const EvaluationItem&)>& read,
    const std::function<void(const at::Tensor& images, const at::Tensor& masks)>& use,
    const OnProgress& on_progress) {
  for (std::int64_t begin = 0; begin < size(); begin += kBlock) {
    const auto end = std::min(size(), begin + kBlock);
    std::vector<Pictures> block(static_cast<std::size_t>(end - begin));
    const auto* const first = rows_.data() + begin;
    work_on(begin, end, [&](Row& row) {
      block[static_cast<std::size_t>(std::distance(first, static_cast<const Row*>(&row)))] =
          read(row.item);
    });
    std::erase_if(block, [](const Pictures& one) { return !one.image.defined(); });
    std::vector<at::Tensor> images, masks;
    for (const auto& one : block) {
      images.push_back(one.image);
      if (one.mask.defined()) {
        masks.push_back(one.mask);
      }
    }
    if (!images.empty()) {
      use(at::stack(images), masks.empty() ? at::Tensor() : at::stack(masks));
    }
    if (on_progress) {
      on_progress(end, size());
    }
  }
  take_out_failed();
}

std::vector<double> Table::column(const std::string& name) const {
  std::vector<double> values;
  for (const auto& row : rows_) {
    const auto found = row.values.find(name);
    if (found != row.values.end() && found->is_number()) {
      values.push_back(found->get<double>());
    }
  }
  return values;
}

Json summary_json(const std::vector<double>& values, std::uint64_t seed) {
  const auto s = summarise(values, seed);
  const auto known = [&](double value) { return s.count > 0 ? Json(value) : Json(nullptr); };
  Json out = {{"n", s.count},
              {"mean", known(s.mean)},
              {"std", known(s.deviation)},
              {"median", known(s.median)},
              {"min", known(s.low)},
              {"max", known(s.high)}};
  out["ci95"] =
      s.mean_interval ? Json({s.mean_interval->low, s.mean_interval->high}) : Json(nullptr);
  return out;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace medaug
