// SPDX-License-Identifier: MIT
#include "lumina_transport.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sin.h>

#include <numbers>
#include <utility>

#include "base/error.h"

namespace medaug::golden {
namespace {

constexpr double kVpLow = 0.1;
constexpr double kVpHigh = 20.0;

PathPoint linear_path(const at::Tensor& t) {
  const auto one = at::ones_like(t);
  return {t, 1.0 - t, one, -one};
}

PathPoint gvp_path(const at::Tensor& t) {
  const double quarter = std::numbers::pi / 2.0;
  const auto angle = t * quarter;
  return {angle.sin(), angle.cos(), angle.cos() * quarter, angle.sin() * -quarter};
}

PathPoint vp_path(const at::Tensor& t) {
  const auto u = 1.0 - t;
  const auto log_alpha = u * u * (-0.25 * (kVpHigh - kVpLow)) - u * (0.5 * kVpLow);
  const auto d_log_alpha = u * (0.5 * (kVpHigh - kVpLow)) + 0.5 * kVpLow;
  const auto alpha = log_alpha.exp();
  const auto square = (log_alpha * 2.0).exp();
  const auto sigma = (1.0 - square).sqrt();
  return {alpha, sigma, alpha * d_log_alpha, -(square * d_log_alpha) / sigma};
}

at::Tensor beside(const at::Tensor& t, const at::Tensor& like) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
  shape.front() = t.numel();
  return t.view(shape);
}

// "uniform_0.2_0.6" gives 0.2 and 0.6.
std::vector<double> numbers_after(const std::string& snr_type, const std::string& prefix) {
  std::vector<double> numbers;
  std::size_t at = prefix.size();
  while (at < snr_type.size()) {
    std::size_t used = 0;
    numbers.push_back(std::stod(snr_type.substr(at + 1), &used));
    at += used + 1;
  }
  return numbers;
}

}  // namespace

std::map<std::string, std::function<PathPoint(const at::Tensor&)>> lumina_paths() {
  return {{"linear", linear_path}, {"gvp", gvp_path}, {"vp", vp_path}};
}

at::Tensor path_state(const PathPoint& p, const at::Tensor& x0, const at::Tensor& x1) {
  return beside(p.alpha, x1) * x1 + beside(p.sigma, x0) * x0;
}

at::Tensor path_velocity(const PathPoint& p, const at::Tensor& x0, const at::Tensor& x1) {
  return beside(p.d_alpha, x1) * x1 + beside(p.d_sigma, x0) * x0;
}

at::Tensor score_from_velocity(const PathPoint& p, const at::Tensor& velocity,
                               const at::Tensor& z) {
  const auto ratio = beside(p.alpha / p.d_alpha, z);
  const auto sigma = beside(p.sigma, z);
  return (ratio * velocity - z) / (sigma * sigma - ratio * beside(p.d_sigma, z) * sigma);
}

at::Tensor noise_from_velocity(const PathPoint& p, const at::Tensor& velocity,
                               const at::Tensor& z) {
  const auto ratio = beside(p.alpha / p.d_alpha, z);
  return (ratio * velocity - z) / (ratio * beside(p.d_sigma, z) - beside(p.sigma, z));
}

at::Tensor lumina_times(const std::string& snr_type, std::int64_t count, at::Generator generator) {
  if (snr_type == "lognorm") {
    return 1.0 / (1.0 + (-at::randn({count}, std::move(generator))).exp());
  }
  const auto u = at::rand({count}, std::move(generator));
  if (snr_type == "uniform") {
    return u;
  }
  if (snr_type.starts_with("uniform_")) {
    const auto ends = numbers_after(snr_type, "uniform");
    return u * (ends.at(1) - ends.at(0)) + ends.at(0);
  }
  if (snr_type.starts_with("shift_")) {
    const double factor = numbers_after(snr_type, "shift").at(0);
    return u * factor / (1.0 + u * (factor - 1.0));
  }
  throw Error(ErrorCode::kData, "case.json", "unknown snr type '" + snr_type + "'");
}

std::vector<double> float32_grid(const SamplerOptions& options) {
  auto grid = at::linspace(0.0, 1.0, options.steps + 1, at::TensorOptions().dtype(at::kFloat));
  if (options.time_shift != 1.0) {
    const double s = options.time_shift;
    grid = grid / (grid + s - grid * s);
  }
  const auto wide = grid.to(at::kDouble);
  const auto* values = wide.const_data_ptr<double>();
  return {values, values + wide.numel()};
}

}  // namespace medaug::golden
