// Step 9: everything that is known → the files of the output directory (docs/interface.md §3).
#pragma once

#include <string>
#include <vector>

#include "quant/report/report.h"
#include "server/flow/inspection.h"

namespace sub1quant {

// "" for a job with one allocation, "target-4.25/" for each of several.
std::string OutputPrefix(const JobSpecification& specification, int target);

// Bytes of the whole model with the artifact's matrices in their stored form.
uint64_t ModelBytes(const Inspection& inspection, const Manifest& manifest);

struct OutputFile {
  std::string path;
  std::string bytes;
};
// report.json, report.html, scan.json, eval_*.json of every target, and of `evaluate`.
std::vector<OutputFile> MakeReportFiles(const ReportInputs& inputs);

}  // namespace sub1quant
