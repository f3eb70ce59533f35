// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace medaug::cli {

/// The machine as this process may use it.
struct Machine {
  std::string cpu_name;
  std::vector<std::string> cpu_features;  ///< those that our kernels care about
  int cores = 1;                          ///< that this process may run on, cgroup quota included
  std::int64_t memory_bytes = 0;          ///< total, cgroup limit included
  std::int64_t available_bytes = 0;       ///< free for us now
  bool torch_has_cuda = false;            ///< LibTorch was built with CUDA
  std::string torch_kernels;              ///< the instruction set ATen chose
  int gpus = 0;                           ///< that LibTorch can use
  std::vector<std::string> gpu_names;     ///< as the driver names them, usable or not
};

Machine look_at_machine();

}  // namespace medaug::cli
