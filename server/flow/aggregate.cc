#include "server/flow/aggregate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/flow/stages.h"

namespace sub1quant {

std::string OutputPrefix(const JobSpecification& specification, int target) {
  if (TargetCount(specification) < 2) return "";
  return absl::StrCat("target-", specification.target_bpw.at(target), "/");
}

uint64_t ModelBytes(const Inspection& inspection, const Manifest& manifest) {
  uint64_t bytes = inspection.facts.total_bytes;
  for (const InspectedTensor& tensor : inspection.tensors) bytes -= tensor.record.bytes;
  for (const ManifestTensor& tensor : manifest.tensors) bytes += tensor.stored_bytes;
  return bytes;
}

std::vector<OutputFile> MakeReportFiles(const ReportInputs& inputs) {
  std::vector<OutputFile> files;
  const size_t reports = std::max<size_t>(1, inputs.targets.size());
  for (size_t t = 0; t < reports; ++t) {
    const std::string prefix = OutputPrefix(inputs.specification, static_cast<int>(t));
    const Json report = MakeReport(inputs, t);
    Json scan;
    if (inputs.specification.quantize && t < inputs.targets.size()) {
      scan = MakeScan(inputs, t);
      files.push_back({prefix + "scan.json", DumpJson(scan)});
    }
    files.push_back({prefix + "report.json", DumpJson(report)});
    files.push_back({prefix + "report.html", RenderHtml(report, scan)});
    if (inputs.base)
      files.push_back({prefix + "eval_base.json", DumpJson(MakeEvaluation(inputs, *inputs.base, "base"))});
    if (t < inputs.targets.size() && inputs.targets[t].quantized)
      files.push_back({prefix + "eval_quantized.json",
                       DumpJson(MakeEvaluation(inputs, *inputs.targets[t].quantized, "quantized"))});
  }
  return files;
}

}  // namespace sub1quant
