// SPDX-License-Identifier: MIT
#include "evaluation/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace medaug {
namespace {

constexpr std::string_view kColour = "colour_";
constexpr const char* kDash = "–";
constexpr int kSignificant = -1;

struct Habit {
  std::string_view measure;
  int decimals;
  std::string_view better;
};

constexpr std::string_view kHigher = "better.higher", kLower = "better.lower", kOne = "better.one";

constexpr Habit kHabits[] = {
    {"psnr", 2, kHigher},
    {"ssim", 4, kHigher},
    {"ms_ssim", 4, kHigher},
    {"mae", 2, kLower},
    {"mse", 2, kLower},
    {"dice", 4, kHigher},
    {"mean_dice", 4, kHigher},
    {"iou", 4, kHigher},
    {"hd95_pixels", 2, kLower},
    {"assd_pixels", 2, kLower},
    {"hd95_mm", 2, kLower},
    {"assd_mm", 2, kLower},
    {"mask_share", 4, ""},
    {"points", 1, kHigher},
    {"points_ci95", 1, ""},
    {"over_ceiling", 4, kOne},
    {"null_over_ceiling", 4, kLower},
    {"fid", kSignificant, kLower},
    {"fid_infinity", kSignificant, kLower},
    {"kid", kSignificant, kLower},
    {"precision", 4, kHigher},
    {"recall", 4, kHigher},
    {"density", 4, kOne},
    {"coverage", 4, kHigher},
    {"sharpness", kSignificant, kOne},
    {"seam_ratio", kSignificant, kOne},
    {"spread", kSignificant, kOne},
    {"spectrum_distance", kSignificant, kLower},
    {"histogram_distance", 2, kLower},
    {"share", 4, kLower},
    {"share_ci95", 4, ""},
    {"accuracy", 4, kHigher},
    {"balanced_accuracy", 4, kHigher},
    {"auroc", 4, kHigher},
    {"f1", 4, kHigher},
};

const Habit* habit_of(std::string_view measure) {
  if (measure.starts_with(kColour)) {
    measure.remove_prefix(kColour.size());
  }
  if (measure.starts_with("dice_")) {
    measure = "dice";  // of one class
  }
  const auto* const found = std::find_if(std::begin(kHabits), std::end(kHabits),
                                         [&](const Habit& h) { return h.measure == measure; });
  return found == std::end(kHabits) ? nullptr : found;
}

std::string written(const char* format, int digits, double value) {
  std::array<char, 400> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, digits, value);
  return buffer.data();
}

}  // namespace

std::string figure(double value, std::string_view measure) {
  if (!std::isfinite(value)) {
    return kDash;
  }
  const auto* const habit = habit_of(measure);
  const double size = std::abs(value);
  const int decimals = habit == nullptr ? kSignificant : habit->decimals;
  if (size >= 9999.5) {
    return size < 1e15 ? written("%.*f", 0, value) : written("%.*g", 4, value);
  }
  if (decimals == kSignificant) {
    return written("%.*g", 4, value);
  }
  const bool lost = value != 0.0 && size < 9.5 * std::pow(10.0, -decimals);
  return lost ? written("%.*g", 2, value) : written("%.*f", decimals, value);
}

std::string figure(const Json& value, std::string_view measure) {
  if (value.is_number_integer()) {
    return value.dump();
  }
  if (value.is_number()) {
    return figure(value.get<double>(), measure);
  }
  if (value.is_array() && value.size() == 2 && (value[0].is_number() || value[1].is_number())) {
    return "[" + figure(value[0], measure) + ", " + figure(value[1], measure) + "]";
  }
  if (value.is_object() && value.contains("value") && value.contains("se")) {
    const auto& se = value["se"];
    return figure(value["value"], measure) + " ± " +
           (se.is_number() ? written("%.*g", 2, se.get<double>()) : kDash);
  }
  return kDash;
}

std::string_view better_of(std::string_view measure) {
  const auto* const habit = habit_of(measure);
  return habit == nullptr ? std::string_view() : habit->better;
}

bool is_summary(const Json& value) {
  return value.is_object() && value.contains("mean") && value.contains("n");
}

Json central(const Json& value) {
  const auto& number = is_summary(value) ? value["mean"] : value;
  return number.is_number() ? number : Json(nullptr);
}

}  // namespace medaug
