// SPDX-License-Identifier: MIT
#include "evaluation/copy_index.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medaug {
namespace {

using at::Tensor;

constexpr std::int64_t kSide = 64;      // of pictures
constexpr std::int64_t kCells = 16;     // of descriptors
constexpr std::int64_t kQueries = 128;  // at a time
constexpr std::size_t kCandidates = 80, kSecondRound = 20, kFinalists = 3;

constexpr std::array<std::array<float, 2>, 4> kMirrors{{{1, 1}, {-1, 1}, {1, -1}, {-1, -1}}};
constexpr std::array<double, 5> kDegrees{-10.0, -5.0, 0.0, 5.0, 10.0};
constexpr std::array<double, 3> kScales{1.0, 0.9, 0.82};
constexpr std::int64_t kMoves = 3;  // by -1, 0 or 1 cells, in each direction
constexpr std::int64_t kTurns = std::ssize(kDegrees) * std::ssize(kScales);

/// M of a turn, without the mirror.
std::array<float, 4> turn_of(std::int64_t turn) {
  const double angle =
      kDegrees[static_cast<std::size_t>(turn / std::ssize(kScales))] * std::numbers::pi / 180.0;
  const double scale = kScales[static_cast<std::size_t>(turn % std::ssize(kScales))];
  const auto c = static_cast<float>(scale * std::cos(angle));
  const auto s = static_cast<float>(scale * std::sin(angle));
  return {c, -s, s, c};
}

/// Poses are numbered: ((turn * 3 + down) * 3 + right) * 4 + mirror.
Pose pose_of(std::int64_t number) {
  const auto mirror = static_cast<std::size_t>(number % std::ssize(kMirrors));
  number /= std::ssize(kMirrors);
  const auto right = number % kMoves - 1, down = number / kMoves % kMoves - 1;
  const auto [fx, fy] = kMirrors[mirror];
  const auto m = turn_of(number / (kMoves * kMoves));
  constexpr float kCell = 2.0F / kCells;
  return {{m[0] * fx, m[1] * fy, m[2] * fx, m[3] * fy},
          {kCell * static_cast<float>(right), kCell * static_cast<float>(down)}};
}

Tensor stacked(const std::vector<GreyPicture>& pictures) {
  const auto side = pictures.front().side;
  const auto out = at::empty({std::ssize(pictures), 1, side, side}, at::kFloat);
  float* to = out.mutable_data_ptr<float>();
  for (const auto& picture : pictures) {
    to = std::copy(picture.values.begin(), picture.values.end(), to);
  }
  return out;
}

/// Cells of a picture and of one to its outside on each side, which are 0: (N, 1, 18, 18).
Tensor cells(const Tensor& detail) {
  return at::constant_pad_nd(at::avg_pool2d(detail, kSide / kCells), {1, 1, 1, 1});
}

/// The query's detail as it lies in the training picture, and the cells that it covers there.
struct Warped {
  Tensor cells;    ///< (4 N, 1, 18, 18), mirror by mirror
  Tensor covered;  ///< (1, 1, 18, 18), 1 or 0
};

Warped warp(const Tensor& mirrored, std::int64_t turn) {
  const auto m = turn_of(turn);
  const float determinant = m[0] * m[3] - m[1] * m[2];
  const auto back = at::tensor({m[3] / determinant, -m[1] / determinant, 0.0F, -m[2] / determinant,
                                m[0] / determinant, 0.0F})
                        .view({1, 2, 3});
  const auto grid = at::affine_grid_generator(back, {1, 1, kSide, kSide}, false);
  const auto inside = grid.abs().le(1.0 - 1.0 / kSide).all(-1).to(at::kFloat).unsqueeze(1);
  const auto of_all = grid.expand({mirrored.size(0), kSide, kSide, 2});
  return {cells(at::grid_sampler(mirrored, of_all, 0, 0, false)),
          cells(inside).gt(0.99).to(at::kFloat)};
}

/// The cells moved: (N, 256).
Tensor moved(const Tensor& cells, std::int64_t down, std::int64_t right) {
  return cells.narrow(2, 1 - down, kCells).narrow(3, 1 - right, kCells).flatten(1).contiguous();
}

}  // namespace

PreprocessOptions copy_preprocess(Fit fit) {
  PreprocessOptions options;
  options.image_size = kSide;
  options.channels = 1;
  options.fit = fit;
  return options;
}

CopyIndex::Prepared CopyIndex::prepare(const Tensor& image) {
  const auto flat = image.to(at::kFloat).contiguous();
  const auto* const data = flat.const_data_ptr<float>();
  Prepared out;
  out.picture = {kSide, std::vector<float>(data, data + flat.numel())};
  out.fine = local_detail(out.picture, 1.0);
  out.coarse = halved(local_detail(out.picture, 2.0));
  return out;
}

std::vector<CopyIndex::Prepared> CopyIndex::prepare_all(const Tensor& images) {
  std::vector<Prepared> out(static_cast<std::size_t>(images.size(0)));
  at::parallel_for(0, images.size(0), 8, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      out[static_cast<std::size_t>(i)] = prepare(images[i]);
    }
  });
  return out;
}

CopyIndex::CopyIndex(const Tensor& training) : training_(prepare_all(training)) {
  std::vector<GreyPicture> fine;
  for (const auto& one : training_) {
    fine.push_back(one.fine);
  }
  descriptors_ = moved(cells(stacked(fine)), 0, 0);
}

Tensor CopyIndex::correlations(const std::vector<Prepared>& queries, Tensor& poses) const {
  std::vector<GreyPicture> fine;
  for (const auto& query : queries) {
    fine.push_back(query.fine);
  }
  const auto detail = stacked(fine);
  const auto mirrored = at::cat({detail, detail.flip({3}), detail.flip({2}), detail.flip({2, 3})});
  const auto squares = descriptors_ * descriptors_, across = descriptors_.t();
  const auto mirrors = std::ssize(kMirrors), n = std::ssize(queries);
  auto best = at::full({n, size()}, -2.0, at::kFloat);
  poses = at::zeros({n, size()}, at::kInt);
  Warped warped;
  for (std::int64_t number = 0; number < kTurns * kMoves * kMoves; ++number) {
    const auto down = number / kMoves % kMoves - 1, right = number % kMoves - 1;
    if (number % (kMoves * kMoves) == 0) {  // once for the nine moves that follow each other
      warped = warp(mirrored, number / (kMoves * kMoves));
    }
    const auto mask = moved(warped.covered, down, right);
    const auto covered = mask.sum();
    auto rows = moved(warped.cells, down, right);
    rows = (rows - (rows * mask).sum(1, true) / covered) * mask;
    rows = rows / (rows.norm(2, {1}, true) + 1e-6);
    const auto weights = mask.view({-1, 1});
    const auto variance =
        at::mm(squares, weights) - at::mm(descriptors_, weights).square() / covered;
    const auto all = at::mm(rows, across).div_(variance.clamp_min(1e-6).sqrt().view({1, -1}));
    const auto [value, mirror] = all.view({mirrors, n, size()}).max(0);
    const auto better = value > best;
    best = at::where(better, value, best);
    poses = at::where(better, mirror.to(at::kInt) + static_cast<int>(number * mirrors), poses);
  }
  return best;
}

std::vector<std::vector<CopyIndex::Candidate>> CopyIndex::search(
    const std::vector<Prepared>& queries) const {
  Tensor poses;
  const auto most = std::min<std::int64_t>(kCandidates, size());
  const auto index = std::get<1>(correlations(queries, poses).topk(most, 1));
  const auto chosen = poses.gather(1, index);
  const auto rows = index.accessor<std::int64_t, 2>();
  const auto numbers = chosen.accessor<int, 2>();
  std::vector<std::vector<Candidate>> out(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    for (std::int64_t k = 0; k < most; ++k) {
      const auto row = static_cast<std::int64_t>(i);
      out[i].push_back({rows[row][k], pose_of(numbers[row][k])});
    }
  }
  return out;
}

CopyMatch CopyIndex::look_closely(const Prepared& query, std::vector<Candidate> candidates) const {
  const auto round = [&](GreyPicture Prepared::* level, int iterations, std::size_t keep) {
    for (auto& candidate : candidates) {
      const auto& training = training_[static_cast<std::size_t>(candidate.training)];
      const auto found = align(query.*level, training.*level, candidate.pose, iterations);
      candidate.pose = found.pose;
      candidate.correlation = found.correlation;
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.correlation > b.correlation; });
    candidates.resize(std::min(keep, candidates.size()));
  };
  round(&Prepared::coarse, 4, kSecondRound);
  round(&Prepared::coarse, 6, kFinalists);
  round(&Prepared::fine, 8, kFinalists);
  CopyMatch best;
  for (const auto& candidate : candidates) {
    const auto& training = training_[static_cast<std::size_t>(candidate.training)];
    const double score = 1.0 - unexplained_detail(query.picture, training.picture, candidate.pose);
    if (best.training < 0 || score > best.score) {
      best = {candidate.training, score};
    }
  }
  return best;
}

std::vector<CopyMatch> CopyIndex::nearest(
    const Tensor& images, const std::function<void(std::int64_t)>& on_progress) const {
  std::vector<CopyMatch> out;
  for (const auto& some : images.split(kQueries)) {
    const auto queries = prepare_all(some);
    const auto candidates = search(queries);
    const auto begin = out.size();
    out.resize(begin + queries.size());
    at::parallel_for(0, std::ssize(queries), 1, [&](std::int64_t from, std::int64_t to) {
      for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i) {
        out[begin + i] = look_closely(queries[i], candidates[i]);
      }
    });
    if (on_progress) {
      on_progress(std::ssize(out));
    }
  }
  return out;
}

}  // namespace medaug
