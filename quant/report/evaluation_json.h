// Scores as JSON: the parts that report.json, eval_*.json and comparisons share.
#pragma once

#include <optional>

#include "core/json.h"
#include "quant/report/report.h"

namespace sub1quant::report {

// E of docs/interface.md §3: perplexities of both protocols (null if absent), losses and weights of the windows, speed.
Json EvaluationToJson(const Evaluation& evaluation);

// {replaced, skipped, missing, shape_mismatches}
Json ApplyStats(const Evaluation& evaluation);

// Paired numbers b - a, or null if either side is absent or they do not cover the same windows.
Json DifferenceToJson(const std::optional<ProtocolScore>& a, const std::optional<ProtocolScore>& b);

}  // namespace sub1quant::report
