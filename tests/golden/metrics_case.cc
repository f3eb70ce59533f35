// SPDX-License-Identifier: MIT
// Metrics of images, masks, feature sets and classifiers, against scikit-image, torchmetrics,
// monai, medpy, torch-fidelity, prdc and scikit-learn.

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <optional>

#include "cases.h"
#include "evaluation/classification_scores.h"
#include "evaluation/feature_distance.h"
#include "evaluation/image_quality.h"
#include "evaluation/mask_agreement.h"
#include "image/image.h"

namespace medaug::golden {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Numbers that JSON cannot hold stand as words.
double number(const Json& value) {
  if (value.is_string()) {
    return value == "inf" ? kInfinity : std::numeric_limits<double>::quiet_NaN();
  }
  return value.get<double>();
}

// case.json states its tolerances by the names of the measures.
void set_tolerances(CaseFolder& folder) {
  const auto& t = folder.json().at("tolerance");
  const double exact = t.at("mae, mse, dice, iou, counts, classification").get<double>();
  folder.allow(".*psnr", t.at("psnr").get<double>(), 0.0);
  folder.allow(".*ms_ssim.*", t.at("ms_ssim").get<double>(), 0.0);
  folder.allow(".*ssim.*", t.at("ssim_*").get<double>(), 0.0);
  folder.allow(".*(hd|assd).*", t.at("hd, hd95, assd (float64 entries)").get<double>(), 0.0);
  folder.allow("fid .*Z.*", t.at("fid").at("Z (singular)").get<double>(), 0.0);
  folder.allow("fid .*far.*", 0.0, t.at("fid").at("far").get<double>());
  folder.allow("fid .*", t.at("fid").at("X|Y").get<double>(), 0.0);
  folder.allow("kid .*", 0.0, t.at("kid (relative)").get<double>());
  folder.allow("prdc .*", t.at("prdc").get<double>(), 0.0);
  folder.allow("nearest .*", 1e-12, 1e-12);
  folder.allow(".*", exact, exact);
}

void compare_one(CaseFolder& folder, const char* file, const std::string& what, double got,
                 const Json& want) {
  folder.compare_numbers(file, what, {got}, {number(want)});
}

void image_pairs(CaseFolder& folder) {
  const char* file = "images.json";
  const auto json = folder.read_json(file);
  for (const auto& pair : json.at("pairs")) {
    const auto a = pair.at("a").get<std::string>(), b = pair.at("b").get<std::string>();
    const auto got =
        compare_images(read_image(folder.folder() / a), read_image(folder.folder() / b));
    const auto name = a + " " + b + " ";
    compare_one(folder, file, name + "mae", got.mae, pair.at("mae"));
    compare_one(folder, file, name + "mse", got.mse, pair.at("mse"));
    compare_one(folder, file, name + "psnr", got.psnr.value_or(kInfinity), pair.at("psnr"));
    compare_one(folder, file, name + "ssim", got.ssim.value(), pair.at("ssim_gauss"));
    if (pair.contains("ms_ssim_valid_windows")) {
      compare_one(folder, file, name + "ms_ssim", got.ms_ssim.value(),
                  pair.at("ms_ssim_valid_windows"));
    } else if (got.ms_ssim) {
      folder.fail(file, name + "ms_ssim", "the image is too small for it");
    }
  }
  folder.leave_out(file, "ssim_win7", "a uniform window; medaug has the Gaussian one");
  folder.leave_out(file, "ssim_torchmetrics, ms_ssim_torchmetrics",
                   "they count places where the window reaches over the border");
}

void mask_pairs(CaseFolder& folder) {
  const char* file = "masks.json";
  const auto json = folder.read_json(file);
  const auto spacing = json.at("spacing_of_*_spacing").get<std::array<double, 2>>();
  const auto read = [&](const Json& name) {
    return read_mask_levels(folder.folder() / name.get<std::string>())[0];
  };
  for (const auto& pair : json.at("pairs")) {
    const auto predicted = read(pair.at("pred")), reference = read(pair.at("ref"));
    const auto name =
        pair.at("pred").get<std::string>() + " " + pair.at("ref").get<std::string>() + " ";
    const auto got = overlap(predicted, reference);
    folder.compare_counts(file, name + "pixels", got.predicted, pair.at("pixels_pred"));
    folder.compare_counts(file, name + "reference", got.reference, pair.at("pixels_ref"));
    folder.compare_counts(file, name + "intersection", got.both, pair.at("intersection"));
    if (got.predicted + got.reference > 0) {  // two empty masks: the packages disagree
      compare_one(folder, file, name + "dice", got.dice(), pair.at("dice_counts"));
      compare_one(folder, file, name + "iou", got.iou(), pair.at("iou_counts"));
    }
    const auto distances = [&](const char* key, std::array<double, 2> unit) {
      const auto found = surface_distance(predicted, reference, unit);
      if (found.has_value() != pair.contains(key)) {
        folder.fail(file, name + key, "a distance exists only between two masks with an outline");
      }
      if (found && pair.contains(key)) {
        const auto& want = pair.at(key);
        const auto at = name + key + std::string(" ");
        compare_one(folder, file, at + "hd", found->hausdorff, want.at("hd"));
        compare_one(folder, file, at + "hd95", found->hausdorff95, want.at("hd95_max_of_directed"));
        compare_one(folder, file, at + "hd95_pooled", found->hausdorff95_pooled,
                    want.at("hd95_pooled"));
        compare_one(folder, file, at + "assd", found->average, want.at("assd_pooled"));
      }
    };
    distances("float64", {1.0, 1.0});
    distances("float64_spacing", spacing);
  }
}

/// "real X|fake Y|k3" to X, Y and 3.
struct PrdcName {
  std::string real, fake;
  std::int64_t k;
};
PrdcName prdc_name(const std::string& text) {
  const auto first = text.find('|'), second = text.find('|', first + 1);
  return {text.substr(5, first - 5), text.substr(first + 6, second - first - 6),
          std::stoll(text.substr(second + 2))};
}

void feature_sets(CaseFolder& folder) {
  const char* file = "features.json";
  const auto json = folder.read_json(file);
  const auto sets = folder.inputs("features.safetensors");
  const auto both = [&](const std::string& pair) {
    const auto bar = pair.find('|');
    return std::pair{sets.at(pair.substr(0, bar)), sets.at(pair.substr(bar + 1))};
  };
  for (const auto& [name, want] : json.at("fid").items()) {
    const auto [x, y] = both(name);
    compare_one(folder, file, "fid " + name, frechet_distance(x, y), want.at("fid"));
  }
  for (const auto& [name, want] : json.at("kid").items()) {
    const auto [x, y] = both(name);
    compare_one(folder, file, "kid " + name, kernel_distance(x, y).value, want.at("unbiased"));
  }
  const auto& subsets = json.at("kid_subsets");
  std::vector<double> values;
  for (const auto& subset : subsets.at("indices")) {
    const auto rows = [&](const char* set) {
      return sets.at(set).index_select(0,
                                       at::tensor(subset.at(set).get<std::vector<std::int64_t>>()));
    };
    values.push_back(kernel_distance(rows("X"), rows("Y")).value);
  }
  folder.compare_numbers(file, "kid subsets", values,
                         subsets.at("values").get<std::vector<double>>());
  for (const auto& [name, packages] : json.at("prdc").items()) {
    const auto id = prdc_name(name);
    const auto got = manifold(sets.at(id.real), sets.at(id.fake), id.k);
    const auto& want = packages.at("float64");
    compare_one(folder, file, "prdc precision " + name, got.precision, want.at("precision"));
    compare_one(folder, file, "prdc recall " + name, got.recall, want.at("recall"));
    compare_one(folder, file, "prdc density " + name, got.density, want.at("density"));
    compare_one(folder, file, "prdc coverage " + name, got.coverage, want.at("coverage"));
  }
  const auto nearest = nearest_rows(sets.at("Y"), sets.at("X"));
  const auto& want = json.at("nearest_real");
  folder.compare_numbers(file, "nearest distance", nearest.distance,
                         want.at("distance").get<std::vector<double>>());
  folder.compare_numbers(file, "nearest index", {nearest.index.begin(), nearest.index.end()},
                         want.at("index").get<std::vector<double>>());
  folder.leave_out(file, "inception_score", "medaug has none: its classes are not medical");
}

void classification(CaseFolder& folder) {
  const char* file = "classification.json";
  const auto json = folder.read_json(file);
  const auto truth = json.at("y").get<std::vector<std::int64_t>>();
  std::vector<double> probabilities;
  for (const auto& row : json.at("prob")) {
    for (const auto& p : row) {
      probabilities.push_back(p.get<double>());
    }
  }
  const auto classes = static_cast<std::int64_t>(json.at("prob").at(0).size());
  const auto got = score_classes(truth, probabilities, classes);
  const auto check = [&](const char* key, double value) {
    compare_one(folder, file, key, value, json.at(key));
  };
  check("accuracy", got.accuracy);
  check("balanced_accuracy", got.balanced_accuracy);
  check("f1_macro", got.f1_macro);
  check("f1_weighted", got.f1_weighted);
  check("kappa", got.kappa);
  check("kappa_quadratic", got.kappa_quadratic);
  check("mcc", got.mcc);
  check("auroc_ovr_macro", got.auroc_macro.value());
  check("log_loss", got.log_loss);
  std::vector<double> precision, recall, confusion, want_confusion, rest;
  for (const auto& one : got.classes) {
    precision.push_back(one.precision.value());
    recall.push_back(one.recall.value());
  }
  folder.compare_numbers(file, "precision_per_class", precision,
                         json.at("precision_per_class").get<std::vector<double>>());
  folder.compare_numbers(file, "recall_per_class", recall,
                         json.at("recall_per_class").get<std::vector<double>>());
  for (std::size_t t = 0; t < got.confusion.size(); ++t) {
    confusion.insert(confusion.end(), got.confusion[t].begin(), got.confusion[t].end());
    const auto row = json.at("confusion_rows_true").at(t).get<std::vector<double>>();
    want_confusion.insert(want_confusion.end(), row.begin(), row.end());
  }
  folder.compare_numbers(file, "confusion", confusion, want_confusion);
  std::vector<bool> positive;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    positive.push_back(truth[i] > 0);
    rest.push_back(1.0 - probabilities[i * static_cast<std::size_t>(classes)]);
  }
  const auto binary = score_binary(positive, rest);
  const auto& want = json.at("binary");
  compare_one(folder, file, "binary auroc", binary.auroc.value(), want.at("auroc"));
  compare_one(folder, file, "binary average_precision", binary.average_precision,
              want.at("average_precision"));
  compare_one(folder, file, "binary brier", binary.brier, want.at("brier"));
}

}  // namespace

void run_metrics(CaseFolder& folder) {
  set_tolerances(folder);
  image_pairs(folder);
  mask_pairs(folder);
  feature_sets(folder);
  classification(folder);
}

}  // namespace medaug::golden
