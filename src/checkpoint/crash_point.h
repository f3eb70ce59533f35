// SPDX-License-Identifier: MIT
#pragma once

namespace medaug::internal {

/// A place between two steps of a save. Tests compile the callers once more with
/// MEDAUG_CRASH_POINTS and their own definition, which kills the process or throws; elsewhere it is
/// nothing.
#ifdef MEDAUG_CRASH_POINTS
void crash_point(const char* stage);
#else
inline void crash_point(const char* /*stage*/) {}
#endif

}  // namespace medaug::internal
