// SPDX-License-Identifier: MIT
#include "evaluation/mask_agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "evaluation/statistics.h"

namespace medaug {
namespace {

double ratio(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

struct Binary {
  std::int64_t height, width;
  std::vector<std::uint8_t> inside;
  bool at(std::int64_t y, std::int64_t x) const {
    return y >= 0 && y < height && x >= 0 && x < width &&
           inside[static_cast<std::size_t>(y * width + x)] != 0;
  }
};

Binary binary(const at::Tensor& mask) {
  const auto bytes = mask.ne(0).to(at::kByte).contiguous();
  const auto* data = bytes.const_data_ptr<std::uint8_t>();
  return {mask.size(0), mask.size(1), {data, data + bytes.numel()}};
}

std::vector<std::int64_t> outline(const Binary& mask) {
  std::vector<std::int64_t> places;
  for (std::int64_t y = 0; y < mask.height; ++y) {
    for (std::int64_t x = 0; x < mask.width; ++x) {
      const bool eroded =
          mask.at(y - 1, x) && mask.at(y + 1, x) && mask.at(y, x - 1) && mask.at(y, x + 1);
      if (mask.at(y, x) && !eroded) {
        places.push_back(y * mask.width + x);
      }
    }
  }
  return places;
}

/// Lower envelope of the parabolas f[q] + (step (x - q))^2, in place (Felzenszwalb and
/// Huttenlocher, Theory of Computing 8, 2012). Infinite f[q] are no parabolas.
class Envelope {
 public:
  explicit Envelope(std::int64_t longest)
      : roots_(static_cast<std::size_t>(longest)),
        from_(static_cast<std::size_t>(longest)),
        values_(static_cast<std::size_t>(longest)) {}

  void apply(double* f, std::int64_t count, std::int64_t stride, double step) {
    const double square = step * step;
    std::int64_t last = -1;
    for (std::int64_t q = 0; q < count; ++q) {
      values_[static_cast<std::size_t>(q)] = f[q * stride];
      if (std::isinf(f[q * stride])) {
        continue;
      }
      double begin = -std::numeric_limits<double>::infinity();
      while (last >= 0) {
        const auto top = static_cast<std::size_t>(last);
        begin = crossing(roots_[top], q, square);
        if (begin > from_[top]) {
          break;
        }
        --last;
        begin = -std::numeric_limits<double>::infinity();
      }
      ++last;
      roots_[static_cast<std::size_t>(last)] = q;
      from_[static_cast<std::size_t>(last)] = begin;
    }
    for (std::int64_t x = 0, k = 0; last >= 0 && x < count; ++x) {
      while (k < last && from_[static_cast<std::size_t>(k + 1)] < static_cast<double>(x)) {
        ++k;
      }
      const auto root = roots_[static_cast<std::size_t>(k)];
      const auto away = static_cast<double>(x - root);
      f[x * stride] = values_[static_cast<std::size_t>(root)] + square * away * away;
    }
  }

 private:
  double crossing(std::int64_t p, std::int64_t q, double square) const {
    const auto a = static_cast<double>(p), b = static_cast<double>(q);
    const double fp = values_[static_cast<std::size_t>(p)],
                 fq = values_[static_cast<std::size_t>(q)];
    return ((fq - fp) / square + b * b - a * a) / (2.0 * (b - a));
  }

  std::vector<std::int64_t> roots_;
  std::vector<double> from_, values_;
};

/// Distance of each place to the nearest of `sources`.
std::vector<double> distances_to(const std::vector<std::int64_t>& sources, const Binary& shape,
                                 std::array<double, 2> spacing) {
  std::vector<double> square(shape.inside.size(), std::numeric_limits<double>::infinity());
  for (const auto place : sources) {
    square[static_cast<std::size_t>(place)] = 0.0;
  }
  Envelope envelope(std::max(shape.height, shape.width));
  for (std::int64_t x = 0; x < shape.width; ++x) {
    envelope.apply(square.data() + x, shape.height, shape.width, spacing[0]);
  }
  for (std::int64_t y = 0; y < shape.height; ++y) {
    envelope.apply(square.data() + y * shape.width, shape.width, 1, spacing[1]);
  }
  for (auto& d : square) {
    d = std::sqrt(d);
  }
  return square;
}

}  // namespace

double Overlap::dice() const {
  return predicted + reference == 0 ? 1.0 : ratio(2 * both, predicted + reference);
}

double Overlap::iou() const {
  return predicted + reference == 0 ? 1.0 : ratio(both, predicted + reference - both);
}

std::optional<double> Overlap::precision() const {
  return predicted == 0 ? std::nullopt : std::optional(ratio(both, predicted));
}

std::optional<double> Overlap::recall() const {
  return reference == 0 ? std::nullopt : std::optional(ratio(both, reference));
}

Overlap overlap(const at::Tensor& predicted, const at::Tensor& reference) {
  const auto p = predicted.ne(0), r = reference.ne(0);
  return {p.sum().item<std::int64_t>(), r.sum().item<std::int64_t>(),
          p.logical_and(r).sum().item<std::int64_t>()};
}

std::optional<SurfaceDistance> surface_distance(const at::Tensor& predicted,
                                                const at::Tensor& reference,
                                                std::array<double, 2> spacing) {
  const auto p = binary(predicted), r = binary(reference);
  const auto p_outline = outline(p), r_outline = outline(r);
  if (p_outline.empty() || r_outline.empty()) {
    return std::nullopt;
  }
  const auto directed = [&](const std::vector<std::int64_t>& from,
                            const std::vector<std::int64_t>& to) {
    const auto field = distances_to(to, p, spacing);
    std::vector<double> out;
    for (const auto place : from) {
      out.push_back(field[static_cast<std::size_t>(place)]);
    }
    return out;
  };
  auto all = directed(p_outline, r_outline);
  const auto back = directed(r_outline, p_outline);
  SurfaceDistance out;
  out.hausdorff95 = std::max(quantile(all, 0.95), quantile(back, 0.95));
  all.insert(all.end(), back.begin(), back.end());
  out.hausdorff = *std::max_element(all.begin(), all.end());
  out.hausdorff95_pooled = quantile(all, 0.95);
  out.average = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  return out;
}

}  // namespace medaug
