// Made-up but plausible inputs of a report: a model of the given number of layers, searched, packed and scored.
#pragma once

#include "quant/report/report.h"

namespace sub1quant::testing {

ReportInputs SampleInputs(int layers = 3, int windows = 40);

}  // namespace sub1quant::testing
