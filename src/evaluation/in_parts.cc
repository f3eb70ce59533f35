// SPDX-License-Identifier: MIT
#include "evaluation/in_parts.h"

#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "nn/team.h"

namespace medaug {

at::Tensor in_parts(const at::Tensor& images, std::int64_t batch,
                    const std::function<at::Tensor(const at::Tensor&)>& network) {
  std::vector<at::Tensor> out;
  for (const auto& some : images.split(batch)) {
    const auto n = some.size(0);
    const int team = nn::team_size(n, some.device());
    std::vector<at::Tensor> parts(static_cast<std::size_t>(team));
    nn::run_team(team, n, [&](int part, nn::Share share) {
      const at::NoGradGuard no_grad;
      parts[static_cast<std::size_t>(part)] = network(some.narrow(0, share.begin, share.count));
    });
    out.insert(out.end(), parts.begin(), parts.end());
  }
  return at::cat(out);
}

}  // namespace medaug
