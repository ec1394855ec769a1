// Compares the kernels of scoring of a module with the oracle, and rows in a batch with rows alone.
#pragma once

#include <string>
#include <vector>

#include "tests/support/cuda_on_host/score_door.h"

namespace sub1quant::testing {

// The module of this name among those of tests/support/cuda_on_host.
const ScoreDoor& OpenScoreDoor(const std::string& module);

// What a kernel got wrong, a line for each of the first few; empty if nothing. Inputs are the same in every run.
using Mistakes = std::vector<std::string>;
template <typename T>
Mistakes CheckNorms(const ScoreDoor& door);
template <typename T>
Mistakes CheckGatedGelu(const ScoreDoor& door);
template <typename T>
Mistakes CheckRope(const ScoreDoor& door);
template <typename T>
Mistakes CheckLosses(const ScoreDoor& door);
// A NaN in one row, or a label of no tile.
template <typename T>
Mistakes CheckNaN(const ScoreDoor& door);

}  // namespace sub1quant::testing
